/* reviews_train.c: train an LSTM and a GRU to tell negative, neutral and positive reviews apart
 *
 * The classifier is the one that introductions to the subject train, with a few settings that are
 * better (settings.c names them, the program prints them). Both models see the same data in the
 * same order; each trains in a process of its own, so that its peak memory can be told.
 */
#include <refrain.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "generate.h"
#include "report.h"
#include "settings.h"
#include "train.h"
#include "tsv.h"

enum { GENERATED_TRAIN = 14000, GENERATED_VALID = 900 };

static int load(const settings *s, reviews *train, reviews *valid) {
  if (s->train) return reviews_read(train, s->train) || reviews_read(valid, s->valid) ? -1 : 0;
  if (reviews_generate(train, GENERATED_TRAIN, s->seed, NULL) ||
      reviews_generate(valid, GENERATED_VALID, s->seed + 1, train))
    return -1;
  printf("No files were given: these reviews are generated, from the seed %llu.\n", s->seed);
  return 0;
}

static int make_folder(const char *path) {
  if (mkdir(path, 0777) == 0 || errno == EEXIST) return 0;
  fprintf(stderr, "%s: %s\n", path, strerror(errno));
  return -1;
}

static int write_tsv(const char *folder, const reviews *train, const reviews *valid) {
  char path[4096];
  if (make_folder(folder)) return -1;
  snprintf(path, sizeof path, "%s/train.tsv", folder);
  if (reviews_write(train, path)) return -1;
  snprintf(path, sizeof path, "%s/valid.tsv", folder);
  return reviews_write(valid, path);
}

/* The tokenizer learns from the training data alone: words that only validation has are unknown. */
static int prepare(const settings *s, const reviews *train, const reviews *valid,
                   refrain_tokenizer **tokenizer, training_data *data) {
  char options[128];
  snprintf(options, sizeof options, "num_words=%d, maxlen=%d, padding=post, truncating=post",
           s->words, s->maxlen);
  if (failed(refrain_tokenizer_create(options, tokenizer)) ||
      failed(refrain_tokenizer_fit(*tokenizer, (const char *const *)train->texts,
                                   (int64_t)train->count)))
    return -1;
  data->tokenizer = *tokenizer;
  return encode(*tokenizer, train, s->maxlen, &data->train) ||
                 encode(*tokenizer, valid, s->maxlen, &data->valid)
             ? -1
             : 0;
}

static int train_both(const training_data *data, const reviews *train, const reviews *valid) {
  const settings *s = data->settings;
  model_result *results = calloc(2, sizeof *results);
  if (!results) {
    fputs("out of memory\n", stderr);
    return -1;
  }
  printf("%zu reviews to train on, %zu to validate on, %zu classes.\n\n", train->count,
         valid->count, data->labels->count);
  settings_print(stdout, s);
  int error = train_in_child("LSTM", "lstm.refrain", data, &results[0]) ||
              train_in_child("GRU", "gru.refrain", data, &results[1]);
  if (!error) {
    char path[4096];
    snprintf(path, sizeof path, "%s/history.json", s->out);
    report_print(stdout, results, 2, data->labels);
    error = report_write_json(path, results, 2, data->labels,
                              s->train ? s->train : "generated reviews");
    if (!error) printf("\nSaved %s/lstm.refrain, %s/gru.refrain and %s.\n", s->out, s->out, path);
  }
  free(results);
  return error ? -1 : 0;
}

static int compare(const settings *s, reviews *train, reviews *valid) {
  label_set labels = {0};
  refrain_tokenizer *tokenizer = NULL;
  training_data data = {.settings = s, .labels = &labels};
  int error = labels_assign(&labels, train, valid);
  if (!error && labels.count > MAXIMUM_CLASSES) {
    fprintf(stderr, "%s: at most %d classes can be compared, found %zu\n", train->source,
            MAXIMUM_CLASSES, labels.count);
    error = -1;
  }
  error = error || make_folder(s->out) || prepare(s, train, valid, &tokenizer, &data) ||
          train_both(&data, train, valid);
  encoded_free(&data.train);
  encoded_free(&data.valid);
  refrain_tokenizer_release(tokenizer);
  labels_free(&labels);
  return error ? -1 : 0;
}

int main(int argc, char **argv) {
  settings s;
  int parsed = settings_parse(&s, argc, argv);
  if (parsed) return parsed < 0 ? 2 : 0;
  reviews train = {0}, valid = {0};
  int error = load(&s, &train, &valid);
  if (!error && s.write_tsv)
    error = write_tsv(s.write_tsv, &train, &valid);
  else if (!error)
    error = compare(&s, &train, &valid);
  reviews_free(&train);
  reviews_free(&valid);
  if (!error && (fflush(stdout) || ferror(stdout))) {
    fprintf(stderr, "standard output: %s\n", strerror(errno));
    error = -1;
  }
  return error ? 1 : 0;
}
