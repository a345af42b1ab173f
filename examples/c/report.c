/* report.c: see report.h */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static void print_row(FILE *out, const char *title, const model_result *results, int count,
                      double (*figure)(const model_result *), const char *format) {
  fprintf(out, "  %-22s", title);
  for (int i = 0; i < count; i++) fprintf(out, format, figure(&results[i]));
  fputc('\n', out);
}

static double parameters(const model_result *r) { return (double)r->parameters; }
static double seconds(const model_result *r) { return r->seconds_per_epoch; }
static double memory(const model_result *r) { return (double)r->peak_memory / 1e6; }
static double train_loss(const model_result *r) { return r->train_loss; }
static double valid_loss(const model_result *r) { return r->valid_loss; }
static double train_accuracy(const model_result *r) { return r->train_accuracy; }
static double valid_accuracy(const model_result *r) { return r->valid_accuracy; }
static double precision(const model_result *r) { return r->precision; }
static double recall(const model_result *r) { return r->recall; }
static double f1(const model_result *r) { return r->f1; }

static void print_classes(FILE *out, const model_result *r, const label_set *labels) {
  int width = 10;
  for (size_t k = 0; k < labels->count; k++)
    if ((int)strlen(labels->names[k]) > width) width = (int)strlen(labels->names[k]);
  fprintf(out, "\n%s on the validation data: rows are true, columns predicted\n\n  %-*s", r->name,
          width, "");
  for (size_t k = 0; k < labels->count; k++) fprintf(out, "  %*s", width, labels->names[k]);
  fprintf(out, "  | precision  recall      F1  support\n");
  for (size_t i = 0; i < labels->count; i++) {
    fprintf(out, "  %-*s", width, labels->names[i]);
    for (size_t j = 0; j < labels->count; j++)
      fprintf(out, "  %*.0f", width, r->confusion[i * labels->count + j]);
    fprintf(out, "  | %9.3f %7.3f %7.3f %8.0f\n", r->class_precision[i], r->class_recall[i],
            r->class_f1[i], r->class_support[i]);
  }
}

void report_print(FILE *out, const model_result *results, int count, const label_set *labels) {
  fprintf(out, "\n  %-22s", "");
  for (int i = 0; i < count; i++) fprintf(out, "%12s", results[i].name);
  fputs("\n  ----------------------", out);
  for (int i = 0; i < count; i++) fputs("------------", out);
  fputc('\n', out);
  print_row(out, "parameters", results, count, parameters, "%12.0f");
  print_row(out, "seconds per epoch", results, count, seconds, "%12.2f");
  print_row(out, "peak memory (MB)", results, count, memory, "%12.1f");
  print_row(out, "training loss", results, count, train_loss, "%12.4f");
  print_row(out, "validation loss", results, count, valid_loss, "%12.4f");
  print_row(out, "training accuracy", results, count, train_accuracy, "%12.3f");
  print_row(out, "validation accuracy", results, count, valid_accuracy, "%12.3f");
  print_row(out, "macro precision", results, count, precision, "%12.3f");
  print_row(out, "macro recall", results, count, recall, "%12.3f");
  print_row(out, "macro F1", results, count, f1, "%12.3f");
  for (int i = 0; i < count; i++) print_classes(out, &results[i], labels);
}

static void json_text(FILE *out, const char *text) {
  fputc('"', out);
  for (; *text; text++) {
    if (*text == '"' || *text == '\\')
      fprintf(out, "\\%c", *text);
    else if ((unsigned char)*text < 0x20)
      fprintf(out, "\\u%04x", (unsigned)*text);
    else
      fputc(*text, out);
  }
  fputc('"', out);
}

static void json_number(FILE *out, const char *name, double value) {
  if (isfinite(value))
    fprintf(out, "\"%s\": %.9g", name, value);
  else
    fprintf(out, "\"%s\": null", name);
}

static void json_result(FILE *out, const model_result *r, const label_set *labels) {
  const struct { const char *name; double value; } figures[] = {
      {"parameters", (double)r->parameters}, {"seconds_per_epoch", r->seconds_per_epoch},
      {"peak_memory", (double)r->peak_memory}, {"train_loss", r->train_loss},
      {"train_accuracy", r->train_accuracy}, {"valid_loss", r->valid_loss},
      {"valid_accuracy", r->valid_accuracy}, {"precision", r->precision},
      {"recall", r->recall}, {"f1", r->f1}};
  fputs("    {\"name\": ", out);
  json_text(out, r->name);
  for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
    fputs(", ", out);
    json_number(out, figures[i].name, figures[i].value);
  }
  fputs(",\n     \"history\": [", out);
  for (int e = 0; e < r->epochs; e++) {
    fputs(e ? ",\n       {" : "\n       {", out);
    json_number(out, "loss", r->history[e].loss);
    fputs(", ", out);
    json_number(out, "accuracy", r->history[e].accuracy);
    fputs(", ", out);
    json_number(out, "valid_loss", r->history[e].valid_loss);
    fputs(", ", out);
    json_number(out, "valid_accuracy", r->history[e].valid_accuracy);
    fputc('}', out);
  }
  fputs("],\n     \"confusion\": [", out);
  for (size_t i = 0; i < labels->count; i++) {
    fputs(i ? ", [" : "[", out);
    for (size_t j = 0; j < labels->count; j++)
      fprintf(out, "%s%.0f", j ? ", " : "", r->confusion[i * labels->count + j]);
    fputc(']', out);
  }
  fputs("]}", out);
}

int report_write_json(const char *path, const model_result *results, int count,
                      const label_set *labels, const char *description) {
  FILE *out = fopen(path, "w");
  if (!out) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  fputs("{\"description\": ", out);
  json_text(out, description);
  fputs(",\n  \"labels\": [", out);
  for (size_t k = 0; k < labels->count; k++) {
    if (k) fputs(", ", out);
    json_text(out, labels->names[k]);
  }
  fputs("],\n  \"models\": [\n", out);
  for (int i = 0; i < count; i++) {
    if (i) fputs(",\n", out);
    json_result(out, &results[i], labels);
  }
  fputs("\n  ]\n}\n", out);
  int failed = ferror(out);
  if (fclose(out) || failed) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  return 0;
}
