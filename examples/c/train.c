/* train.c: see train.h */
#include "train.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "progress.h"

int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

/* ---- data ------------------------------------------------------------------------------------ */

int encode(const refrain_tokenizer *tokenizer, const reviews *set, int maxlen, encoded *out) {
  int64_t count = (int64_t)set->count;
  out->ids = calloc(set->count, (size_t)maxlen * sizeof *out->ids);
  out->lengths = calloc(set->count, sizeof *out->lengths);
  if (!out->ids || !out->lengths) {
    fputs("out of memory\n", stderr);
    return -1;
  }
  if (failed(refrain_tokenizer_encode_batch(tokenizer, (const char *const *)set->texts, count,
                                            out->ids, maxlen, out->lengths)))
    return -1;
  out->x = (refrain_tensor){.struct_size = sizeof out->x, .data = out->ids, .type = REFRAIN_INT32,
                            .rank = 2, .shape = {count, maxlen}, .lengths = out->lengths};
  out->y = (refrain_tensor){.struct_size = sizeof out->y, .data = set->labels,
                            .type = REFRAIN_INT32, .rank = 1, .shape = {count}};
  out->dataset = (refrain_dataset){.struct_size = sizeof out->dataset, .inputs = &out->x,
                                   .input_count = 1, .targets = &out->y, .target_count = 1};
  return 0;
}

void encoded_free(encoded *reviews) {
  free(reviews->ids);
  free(reviews->lengths);
  reviews->ids = NULL;
  reviews->lengths = NULL;
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* Loss and accuracy on the training data, without dropout. */
static int measure_training(refrain_session *session, const encoded *train, model_result *result) {
  refrain_metrics *metrics = NULL;
  int error =
      failed(refrain_session_evaluate(session, &train->dataset, "loss=crossentropy", &metrics)) ||
      failed(refrain_metrics_value(metrics, "loss", -1, &result->train_loss)) ||
      failed(refrain_metrics_value(metrics, "accuracy", -1, &result->train_accuracy));
  refrain_metrics_release(metrics);
  return error;
}

static int measure_validation(refrain_session *session, const encoded *valid, int64_t classes,
                              model_result *result) {
  refrain_metrics *metrics = NULL;
  const struct { const char *name; double *value; } figures[] = {
      {"loss", &result->valid_loss}, {"accuracy", &result->valid_accuracy},
      {"precision_macro", &result->precision}, {"recall_macro", &result->recall},
      {"f1_macro", &result->f1}};
  int error =
      failed(refrain_session_evaluate(session, &valid->dataset, "loss=crossentropy", &metrics));
  for (size_t i = 0; !error && i < sizeof figures / sizeof *figures; i++)
    error = failed(refrain_metrics_value(metrics, figures[i].name, -1, figures[i].value));
  for (int64_t k = 0; !error && k < classes; k++) {
    class_result *of_class = &result->classes[k];
    error = failed(refrain_metrics_value(metrics, "precision", k, &of_class->precision)) ||
            failed(refrain_metrics_value(metrics, "recall", k, &of_class->recall)) ||
            failed(refrain_metrics_value(metrics, "f1", k, &of_class->f1)) ||
            failed(refrain_metrics_value(metrics, "support", k, &of_class->support));
  }
  error = error || failed(refrain_metrics_confusion(metrics, result->confusion,
                                                    MAXIMUM_CLASSES * MAXIMUM_CLASSES, &classes));
  refrain_metrics_release(metrics);
  return error;
}

static int measure(refrain_model *model, const training_data *data, model_result *result) {
  refrain_session *session = NULL;
  char options[32];
  snprintf(options, sizeof options, "threads=%d", data->settings->threads);
  int error = failed(refrain_session_create(model, options, &session)) ||
              measure_training(session, &data->train, result) ||
              measure_validation(session, &data->valid, (int64_t)data->labels->count, result);
  refrain_session_release(session);
  return error;
}

/* ---- training -------------------------------------------------------------------------------- */

/* Writes the three texts that say what is trained and how; 0, or -1 after printing why. */
static int write_notation(const char *layer, const training_data *data, model_result *result) {
  const settings *s = data->settings;
  int64_t vocabulary;
  if (failed(refrain_tokenizer_size(data->tokenizer, &vocabulary))) return -1;
  snprintf(result->name, sizeof result->name, "%s", layer);
  snprintf(result->notation, sizeof result->notation,
           "Embedding(%lld, 64)"
           " -> %s(%d, dropout=0.2, recurrent_dropout=0.2, return_sequences=true)"
           " -> Pooling(max) -> Dense(%zu, activation=softmax)",
           (long long)vocabulary, layer, s->units, data->labels->count);
  snprintf(result->trainer, sizeof result->trainer,
           "loss=crossentropy, optimizer=Adam(0.001), l2=0.0003, clip_norm=5, threads=%d,"
           " seed=%llu",
           s->threads, s->seed);
  snprintf(result->fit, sizeof result->fit, "epochs=%d, batch_size=%d, restore_best=true",
           s->epochs, s->batch);
  return 0;
}

static int train(const char *layer, const char *file, const training_data *data,
                 model_result *result) {
  const settings *s = data->settings;
  const label_set *labels = data->labels;
  char path[4096];
  progress_state progress;
  progress_begin(&progress, layer, data->train.x.shape[0], result->history);
  refrain_model *model = NULL;
  refrain_trainer *trainer = NULL;
  int error =
      write_notation(layer, data, result) ||
      failed(refrain_model_create(result->notation, s->seed, &model)) ||
      failed(refrain_trainer_create(model, result->trainer, &trainer)) ||
      failed(refrain_trainer_fit(trainer, &data->train.dataset, &data->valid.dataset, result->fit,
                                 progress_show, &progress)) ||
      failed(refrain_model_parameter_counts(model, NULL, &result->parameters)) ||
      measure(model, data, result) ||
      failed(refrain_model_set_tokenizer(model, data->tokenizer)) ||
      failed(refrain_model_set_labels(model, (const char *const *)labels->names,
                                      (int64_t)labels->count));
  result->epochs = progress.epochs;
  if (!error) {
    snprintf(path, sizeof path, "%s/%s", s->out, file);
    error = failed(refrain_model_save(model, path));
  }
  refrain_trainer_release(trainer);
  refrain_model_release(model);
  return error ? -1 : 0;
}

/* ---- a process for each model ---------------------------------------------------------------- */

static int read_all(int file, void *target, size_t size) {
  for (char *bytes = target; size > 0;) {
    ssize_t count = read(file, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -1;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

static int write_all(int file, const void *source, size_t size) {
  for (const char *bytes = source; size > 0;) {
    ssize_t count = write(file, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -1;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

int train_in_child(const char *layer, const char *file, const training_data *data,
                   model_result *result) {
  int ends[2];
  if (pipe(ends)) {
    perror("pipe");
    return -1;
  }
  fflush(NULL);
  pid_t child = fork();
  if (child == 0) {
    close(ends[0]);
    int error = train(layer, file, data, result) || write_all(ends[1], result, sizeof *result);
    fflush(NULL);
    _exit(error ? 1 : 0);
  }
  close(ends[1]);
  if (child < 0) {
    perror("fork");
    close(ends[0]);
    return -1;
  }
  int error = read_all(ends[0], result, sizeof *result), status = 0;
  close(ends[0]);
  struct rusage usage;
  while (wait4(child, &status, 0, &usage) < 0)
    if (errno != EINTR) {
      perror("wait4");
      return -1;
    }
  if (WIFSIGNALED(status)) fprintf(stderr, "%s: ended by signal %d\n", layer, WTERMSIG(status));
  result->peak_memory = (int64_t)usage.ru_maxrss * 1024;
  return error || !WIFEXITED(status) || WEXITSTATUS(status) ? -1 : 0;
}
