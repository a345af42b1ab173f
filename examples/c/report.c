/* report.c: see report.h */
#include "report.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* A figure of a model, for the table and for JSON. */
typedef struct {
  const char *title, *key, *format;
  double value;
} figure;

enum { FIGURES = 10 };

static double seconds_per_epoch(const model_result *r) {
  double seconds = 0;
  for (int e = 0; e < r->epochs; e++) seconds += r->history[e].seconds;
  return r->epochs ? seconds / r->epochs : 0;
}

static void collect(const model_result *r, figure figures[FIGURES]) {
  const figure all[FIGURES] = {
      {"parameters", "parameters", "%12.0f", (double)r->parameters},
      {"seconds per epoch", "seconds_per_epoch", "%12.2f", seconds_per_epoch(r)},
      {"peak memory (MB)", "peak_memory_mb", "%12.1f", (double)r->peak_memory / 1e6},
      {"training loss", "train_loss", "%12.4f", r->train_loss},
      {"validation loss", "valid_loss", "%12.4f", r->valid_loss},
      {"training accuracy", "train_accuracy", "%12.3f", r->train_accuracy},
      {"validation accuracy", "valid_accuracy", "%12.3f", r->valid_accuracy},
      {"macro precision", "precision_macro", "%12.3f", r->precision},
      {"macro recall", "recall_macro", "%12.3f", r->recall},
      {"macro F1", "f1_macro", "%12.3f", r->f1}};
  memcpy(figures, all, sizeof all);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void print_classes(FILE *out, const model_result *r, const label_set *labels) {
  int width = 6;
  for (size_t k = 0; k < labels->count; k++)
    if ((int)strlen(labels->names[k]) > width) width = (int)strlen(labels->names[k]);
  fprintf(out, "\n%s on the validation data: rows are true, columns predicted\n\n  %-*s", r->name,
          width, "");
  for (size_t k = 0; k < labels->count; k++) fprintf(out, "  %*s", width, labels->names[k]);
  fputs("  | precision  recall      F1  support\n", out);
  for (size_t i = 0; i < labels->count; i++) {
    const class_result *of_class = &r->classes[i];
    fprintf(out, "  %-*s", width, labels->names[i]);
    for (size_t j = 0; j < labels->count; j++)
      fprintf(out, "  %*.0f", width, r->confusion[i * labels->count + j]);
    fprintf(out, "  | %9.3f %7.3f %7.3f %8.0f\n", of_class->precision, of_class->recall,
            of_class->f1, of_class->support);
  }
}

void report_print(FILE *out, const model_result *results, int count, const label_set *labels) {
  figure figures[FIGURES];
  fprintf(out, "\n  %-20s", "");
  for (int i = 0; i < count; i++) fprintf(out, "%12s", results[i].name);
  fputs("\n  --------------------", out);
  for (int i = 0; i < count; i++) fputs("------------", out);
  fputc('\n', out);
  for (int row = 0; row < FIGURES; row++) {
    for (int i = 0; i < count; i++) {
      collect(&results[i], figures);
      if (i == 0) fprintf(out, "  %-20s", figures[row].title);
      fprintf(out, figures[row].format, figures[row].value);
    }
    fputc('\n', out);
  }
  for (int i = 0; i < count; i++) print_classes(out, &results[i], labels);
}

/* ---- JSON ------------------------------------------------------------------------------------ */

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

static void json_member(FILE *out, const char *name, double value, const char *separator) {
  if (isfinite(value))
    fprintf(out, "%s\"%s\": %.9g", separator, name, value);
  else
    fprintf(out, "%s\"%s\": null", separator, name);
}

static void json_text_member(FILE *out, const char *name, const char *text) {
  fprintf(out, ",\n      \"%s\": ", name);
  json_text(out, text);
}

static void json_history(FILE *out, const model_result *r) {
  fputs(",\n      \"history\": [", out);
  for (int e = 0; e < r->epochs; e++) {
    const epoch_record *epoch = &r->history[e];
    fputs(e ? ",\n        {" : "\n        {", out);
    json_member(out, "loss", epoch->loss, "");
    json_member(out, "accuracy", epoch->accuracy, ", ");
    json_member(out, "valid_loss", epoch->valid_loss, ", ");
    json_member(out, "valid_accuracy", epoch->valid_accuracy, ", ");
    json_member(out, "seconds", epoch->seconds, ", ");
    fputc('}', out);
  }
  fputs("]", out);
}

static void json_classes(FILE *out, const model_result *r, const label_set *labels) {
  fputs(",\n      \"classes\": [", out);
  for (size_t k = 0; k < labels->count; k++) {
    const class_result *of_class = &r->classes[k];
    fputs(k ? ",\n        {\"label\": " : "\n        {\"label\": ", out);
    json_text(out, labels->names[k]);
    json_member(out, "precision", of_class->precision, ", ");
    json_member(out, "recall", of_class->recall, ", ");
    json_member(out, "f1", of_class->f1, ", ");
    json_member(out, "support", of_class->support, ", ");
    fputc('}', out);
  }
  fputs("],\n      \"confusion\": [", out);
  for (size_t i = 0; i < labels->count; i++) {
    fputs(i ? ", [" : "[", out);
    for (size_t j = 0; j < labels->count; j++)
      fprintf(out, "%s%.0f", j ? ", " : "", r->confusion[i * labels->count + j]);
    fputc(']', out);
  }
  fputs("]", out);
}

static void json_result(FILE *out, const model_result *r, const label_set *labels) {
  figure figures[FIGURES];
  collect(r, figures);
  fputs("    {\"name\": ", out);
  json_text(out, r->name);
  json_text_member(out, "model", r->notation);
  json_text_member(out, "trainer", r->trainer);
  json_text_member(out, "fit", r->fit);
  for (int i = 0; i < FIGURES; i++) json_member(out, figures[i].key, figures[i].value, ",\n      ");
  json_history(out, r);
  json_classes(out, r, labels);
  fputs("}", out);
}

int report_write_json(const char *path, const model_result *results, int count,
                      const label_set *labels, const char *data) {
  FILE *out = fopen(path, "w");
  if (!out) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return -1;
  }
  fputs("{\n  \"data\": ", out);
  json_text(out, data);
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
