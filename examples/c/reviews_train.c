/* reviews_train.c: train an LSTM and a GRU to tell negative, neutral and positive reviews apart
 *
 * The classifier is the one that introductions to the subject train: the 10,000 most frequent
 * words, sequences of at most 100, Embedding(64), LSTM(64) or GRU(64) with dropout and recurrent
 * dropout of 0.2, Dense with softmax, cross-entropy, Adam, batches of 32, 5 epochs. Some settings are better
 * than the usual ones, and the program says so when it runs:
 *
 *   lengths         padding is not read, so no state is diluted by it
 *   largest state   the classifier sees the largest value that each unit reached, not the last one:
 *                   a word that decides may stand anywhere
 *   restored best   the parameters kept are those of the epoch with the lowest validation loss
 *   clipped norm    gradients longer than 5 are shortened to 5
 *
 * Each model trains in a process of its own, so that its peak memory can be told.
 */
#include <refrain.h>

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "generate.h"
#include "progress.h"
#include "report.h"
#include "tsv.h"

typedef struct {
  const char *train, *valid, *out, *write_tsv;
  unsigned long long seed;
  int epochs, batch, threads, maxlen, words, units;
} settings;

/* Reviews as the library takes them. */
typedef struct {
  int32_t *ids;     /* [count, maxlen] */
  int64_t *lengths; /* [count] */
  refrain_tensor x, y;
  refrain_dataset dataset;
} encoded;

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

/* ---- data -------------------------------------------------------------------------------------- */

static int encode(const refrain_tokenizer *tokenizer, const reviews *set, int maxlen, encoded *out) {
  int64_t count = (int64_t)set->count;
  out->ids = malloc((size_t)count * (size_t)maxlen * sizeof *out->ids);
  out->lengths = malloc((size_t)count * sizeof *out->lengths);
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

/* ---- one model --------------------------------------------------------------------------------- */

static int measure(refrain_model *model, const encoded *valid, const label_set *labels,
                   int threads, model_result *result) {
  refrain_session *session = NULL;
  refrain_metrics *metrics = NULL;
  char options[64];
  snprintf(options, sizeof options, "threads=%d", threads);
  int error = failed(refrain_session_create(model, options, &session)) ||
              failed(refrain_session_evaluate(session, &valid->dataset, "loss=crossentropy", &metrics));
  const struct { const char *name; double *value; } figures[] = {
      {"loss", &result->valid_loss}, {"accuracy", &result->valid_accuracy},
      {"precision_macro", &result->precision}, {"recall_macro", &result->recall},
      {"f1_macro", &result->f1}};
  for (size_t i = 0; !error && i < sizeof figures / sizeof *figures; i++)
    error = failed(refrain_metrics_value(metrics, figures[i].name, -1, figures[i].value));
  for (int64_t k = 0; !error && k < (int64_t)labels->count; k++)
    error = failed(refrain_metrics_value(metrics, "precision", k, &result->class_precision[k])) ||
            failed(refrain_metrics_value(metrics, "recall", k, &result->class_recall[k])) ||
            failed(refrain_metrics_value(metrics, "f1", k, &result->class_f1[k])) ||
            failed(refrain_metrics_value(metrics, "support", k, &result->class_support[k]));
  int64_t classes;
  error = error || failed(refrain_metrics_confusion(metrics, result->confusion,
                                                    MAXIMUM_CLASSES * MAXIMUM_CLASSES, &classes));
  refrain_metrics_release(metrics);
  refrain_session_release(session);
  return error;
}

static int train_model(const char *layer, const settings *s, const refrain_tokenizer *tokenizer,
                       const encoded *train, const encoded *valid, const label_set *labels,
                       model_result *result) {
  char notation[256], trainer_options[128], fit_options[128], path[4096], file[16];
  int64_t vocabulary;
  if (failed(refrain_tokenizer_size(tokenizer, &vocabulary))) return -1;
  snprintf(notation, sizeof notation,
           "Embedding(%lld, 64)"
           " -> %s(%d, dropout=0.2, recurrent_dropout=0.2, return_sequences=true)"
           " -> Pooling(max) -> Dense(%zu, activation=softmax)",
           (long long)vocabulary, layer, s->units, labels->count);
  snprintf(trainer_options, sizeof trainer_options,
           "loss=crossentropy, optimizer=Adam(0.001), clip_norm=5, threads=%d, seed=%llu",
           s->threads, s->seed);
  snprintf(fit_options, sizeof fit_options, "epochs=%d, batch_size=%d, restore_best=true", s->epochs,
           s->batch);

  progress_state progress = {.name = layer, .sequences = train->x.shape[0],
                             .is_terminal = isatty(STDERR_FILENO)};
  refrain_model *model = NULL;
  refrain_trainer *trainer = NULL;
  int error =
      failed(refrain_model_create(notation, s->seed, &model)) ||
      failed(refrain_trainer_create(model, trainer_options, &trainer)) ||
      failed(refrain_trainer_fit(trainer, &train->dataset, &valid->dataset, fit_options,
                                 show_progress, &progress)) ||
      failed(refrain_model_set_tokenizer(model, tokenizer)) ||
      failed(refrain_model_set_labels(model, (const char *const *)labels->names,
                                      (int64_t)labels->count)) ||
      measure(model, valid, labels, s->threads, result) ||
      failed(refrain_model_parameter_counts(model, NULL, &result->parameters));
  if (!error) {
    snprintf(file, sizeof file, "%s", strcmp(layer, "LSTM") == 0 ? "lstm" : "gru");
    snprintf(path, sizeof path, "%s/%s.refrain", s->out, file);
    error = failed(refrain_model_save(model, path));
  }
  snprintf(result->name, sizeof result->name, "%s", layer);
  result->epochs = progress.epochs;
  memcpy(result->history, progress.history, sizeof result->history);
  int best = 0;
  for (int e = 0; e < progress.epochs; e++) {
    result->seconds_per_epoch += progress.history[e].seconds / progress.epochs;
    if (progress.history[e].valid_loss < progress.history[best].valid_loss) best = e;
  }
  result->train_loss = progress.history[best].loss;
  result->train_accuracy = progress.history[best].accuracy;
  refrain_trainer_release(trainer);
  refrain_model_release(model);
  return error ? -1 : 0;
}

static int read_all(int file, void *target, size_t size) {
  char *bytes = target;
  while (size > 0) {
    ssize_t count = read(file, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -1;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

static int write_all(int file, const void *source, size_t size) {
  const char *bytes = source;
  while (size > 0) {
    ssize_t count = write(file, bytes, size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -1;
    bytes += count;
    size -= (size_t)count;
  }
  return 0;
}

/* Trains in a child process, and takes its result and peak memory from there. */
static int train_apart(const char *layer, const settings *s, const refrain_tokenizer *tokenizer,
                       const encoded *train, const encoded *valid, const label_set *labels,
                       model_result *result) {
  int ends[2];
  if (pipe(ends)) {
    perror("pipe");
    return -1;
  }
  fflush(NULL);
  pid_t child = fork();
  if (child < 0) {
    perror("fork");
    return -1;
  }
  if (child == 0) {
    close(ends[0]);
    model_result *own = calloc(1, sizeof *own);
    int error = !own || train_model(layer, s, tokenizer, train, valid, labels, own) ||
                write_all(ends[1], own, sizeof *own);
    _exit(error ? 1 : 0);
  }
  close(ends[1]);
  int error = read_all(ends[0], result, sizeof *result), status = 0;
  close(ends[0]);
  struct rusage usage;
  while (wait4(child, &status, 0, &usage) < 0)
    if (errno != EINTR) return -1;
  result->peak_memory = (int64_t)usage.ru_maxrss * 1024;
  return error || !WIFEXITED(status) || WEXITSTATUS(status) ? -1 : 0;
}

/* ---- the program ------------------------------------------------------------------------------- */

static void usage(FILE *out) {
  fputs("usage: reviews_train [options]\n\n"
        "Trains an LSTM and a GRU classifier on labelled texts and compares them.\n\n"
        "  --train FILE      label<TAB>text lines to learn from; any number of classes\n"
        "  --valid FILE      the same to validate on; both or none: without, reviews are generated\n"
        "  --out FOLDER      for lstm.refrain, gru.refrain and history.json (demo)\n"
        "  --seed N          of parameters, dropout, shuffling and generated reviews (42)\n"
        "  --epochs N        (5)\n"
        "  --batch N         sequences per update (32)\n"
        "  --threads N       (1)\n"
        "  --maxlen N        words of a review that are read (100)\n"
        "  --words N         vocabulary (10000)\n"
        "  --units N         of the LSTM and the GRU (64)\n"
        "  --write-tsv DIR   write the generated reviews to DIR/train.tsv and DIR/valid.tsv and stop\n"
        "  --help\n",
        out);
}

static int number(const char *text, const char *name, int least, int *value) {
  char *end;
  errno = 0;
  long parsed = strtol(text, &end, 10);
  if (errno || *end || end == text || parsed < least || parsed > 1000000) {
    fprintf(stderr, "--%s: expected a whole number of %d … 1000000, found '%s'\n", name, least, text);
    return -1;
  }
  *value = (int)parsed;
  return 0;
}

/* Returns 0 to go on, 1 after --help, -1 after an error. */
static int parse(int argc, char **argv, settings *s) {
  static const struct option options[] = {
      {"train", 1, 0, 't'}, {"valid", 1, 0, 'v'},  {"out", 1, 0, 'o'},    {"seed", 1, 0, 's'},
      {"epochs", 1, 0, 'e'}, {"batch", 1, 0, 'b'}, {"threads", 1, 0, 'n'}, {"maxlen", 1, 0, 'm'},
      {"words", 1, 0, 'w'}, {"units", 1, 0, 'u'},  {"write-tsv", 1, 0, 'x'}, {"help", 0, 0, 'h'},
      {0, 0, 0, 0}};
  int option, seed = 42, error = 0;
  while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
    switch (option) {
    case 't': s->train = optarg; break;
    case 'v': s->valid = optarg; break;
    case 'o': s->out = optarg; break;
    case 'x': s->write_tsv = optarg; break;
    case 's': error |= number(optarg, "seed", 0, &seed); break;
    case 'e': error |= number(optarg, "epochs", 1, &s->epochs); break;
    case 'b': error |= number(optarg, "batch", 1, &s->batch); break;
    case 'n': error |= number(optarg, "threads", 1, &s->threads); break;
    case 'm': error |= number(optarg, "maxlen", 1, &s->maxlen); break;
    case 'w': error |= number(optarg, "words", 2, &s->words); break;
    case 'u': error |= number(optarg, "units", 1, &s->units); break;
    case 'h': usage(stdout); return 1;
    default: usage(stderr); return -1;
    }
  }
  s->seed = (unsigned long long)seed;
  if (optind < argc || (!s->train) != (!s->valid)) {
    fputs(optind < argc ? "unexpected argument\n\n" : "--train and --valid go together\n\n", stderr);
    usage(stderr);
    return -1;
  }
  if (s->epochs > MAXIMUM_EPOCHS) {
    fprintf(stderr, "--epochs: at most %d\n", MAXIMUM_EPOCHS);
    return -1;
  }
  return error ? -1 : 0;
}

static int load(const settings *s, reviews *train, reviews *valid) {
  if (s->train) return reviews_read(train, s->train) || reviews_read(valid, s->valid) ? -1 : 0;
  if (reviews_generate(train, 9000, s->seed) || reviews_generate(valid, 900, s->seed + 1)) return -1;
  printf("No data were given: these reviews are generated, with the seed %llu.\n", s->seed);
  return 0;
}

static int write_tsv(const settings *s, const reviews *train, const reviews *valid) {
  char path[4096];
  if (mkdir(s->write_tsv, 0777) && errno != EEXIST) {
    fprintf(stderr, "%s: %s\n", s->write_tsv, strerror(errno));
    return -1;
  }
  snprintf(path, sizeof path, "%s/train.tsv", s->write_tsv);
  if (reviews_write(train, path)) return -1;
  snprintf(path, sizeof path, "%s/valid.tsv", s->write_tsv);
  return reviews_write(valid, path);
}

static int compare(const settings *s, reviews *train, reviews *valid) {
  static const char *const layers[] = {"LSTM", "GRU"};
  label_set labels = {0};
  refrain_tokenizer *tokenizer = NULL;
  encoded x = {0}, xv = {0};
  model_result *results = calloc(2, sizeof *results);
  char options[128], path[4096];
  snprintf(options, sizeof options, "num_words=%d, maxlen=%d, padding=post, truncating=post",
           s->words, s->maxlen);
  int error = !results || labels_assign(&labels, train, valid);
  if (!error && labels.count > MAXIMUM_CLASSES) {
    fprintf(stderr, "at most %d classes can be compared, found %zu\n", MAXIMUM_CLASSES, labels.count);
    error = 1;
  }
  error = error || failed(refrain_tokenizer_create(options, &tokenizer)) ||
          failed(refrain_tokenizer_fit(tokenizer, (const char *const *)train->texts,
                                       (int64_t)train->count)) ||
          encode(tokenizer, train, s->maxlen, &x) || encode(tokenizer, valid, s->maxlen, &xv);
  if (!error) {
    printf("%zu reviews to train on, %zu to validate on, %zu classes.\n"
           "Beyond the usual settings: lengths (padding is not read), each unit's largest state\n"
           "instead of the last, the best epoch's parameters kept, the gradient's norm clipped at 5.\n\n",
           train->count, valid->count, labels.count);
    fflush(stdout);
  }
  for (int i = 0; !error && i < 2; i++)
    error = train_apart(layers[i], s, tokenizer, &x, &xv, &labels, &results[i]);
  if (!error) {
    report_print(stdout, results, 2, &labels);
    snprintf(path, sizeof path, "%s/history.json", s->out);
    error = report_write_json(path, results, 2, &labels,
                              s->train ? s->train : "generated reviews");
  }
  if (!error) printf("\nSaved %s/lstm.refrain, %s/gru.refrain and %s.\n", s->out, s->out, path);
  free(x.ids);
  free(x.lengths);
  free(xv.ids);
  free(xv.lengths);
  free(results);
  refrain_tokenizer_release(tokenizer);
  labels_free(&labels);
  return error ? -1 : 0;
}

int main(int argc, char **argv) {
  settings s = {.out = "demo", .epochs = 5, .batch = 32, .threads = 1, .maxlen = 100,
                .words = 10000, .units = 64};
  int parsed = parse(argc, argv, &s);
  if (parsed) return parsed < 0 ? 2 : 0;
  if (mkdir(s.out, 0777) && errno != EEXIST) {
    fprintf(stderr, "%s: %s\n", s.out, strerror(errno));
    return 1;
  }
  reviews train = {0}, valid = {0};
  int error = load(&s, &train, &valid);
  if (!error) error = s.write_tsv ? write_tsv(&s, &train, &valid) : compare(&s, &train, &valid);
  reviews_free(&train);
  reviews_free(&valid);
  return error ? 1 : 0;
}
