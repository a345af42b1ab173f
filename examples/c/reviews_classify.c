/* reviews_classify.c: load a model that reviews_train saved, and classify lines of text
 *
 *     reviews_classify MODEL [--scores] < texts
 *
 * Writes `label<TAB>probability<TAB>text` for each line as soon as it is read; with --scores every
 * class's probability stands before the text. A line that is not text (not UTF-8, or with a NUL
 * byte) is reported with its number and left out, and the program ends with status 1. An empty line
 * is a review without words.
 */
#include <refrain.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

typedef struct {
  refrain_model *model;
  refrain_tokenizer *tokenizer;
  refrain_session *session;
  int64_t classes, maxlen;
  int pads_behind;
  char **labels;        /* [classes] */
  int32_t *ids;         /* [maxlen] */
  float *probabilities; /* [classes] */
} classifier;

/* Whether padding stands behind a text. Then its length is passed to the model, which counts from
 * the first timestep; where padding stands in front the model reads it, as it did in training. */
static int finds_padding_behind(classifier *c) {
  char word[256];
  const char *text = word;
  int64_t length;
  if (c->maxlen < 2 ||
      refrain_tokenizer_word(c->tokenizer, 1, word, sizeof word, NULL) != REFRAIN_OK ||
      refrain_tokenizer_encode_batch(c->tokenizer, &text, 1, c->ids, c->maxlen, &length) !=
          REFRAIN_OK)
    return 1;
  return c->ids[0] != 0;
}

static int read_labels(classifier *c) {
  for (int64_t k = 0; k < c->classes; k++) {
    int64_t length = 0;
    refrain_model_label(c->model, k, NULL, 0, &length);
    c->labels[k] = malloc((size_t)length + 1);
    if (!c->labels[k] || failed(refrain_model_label(c->model, k, c->labels[k], length + 1, NULL)))
      return -1;
  }
  return 0;
}

static int open_classifier(classifier *c, const char *path) {
  refrain_tensor output = {.struct_size = sizeof output};
  int64_t labels = 0;
  if (failed(refrain_model_load(path, &c->model)) ||
      failed(refrain_model_tokenizer(c->model, &c->tokenizer)) ||
      failed(refrain_session_create(c->model, NULL, &c->session)) ||
      failed(refrain_tokenizer_maxlen(c->tokenizer, &c->maxlen)) ||
      failed(refrain_model_output(c->model, 0, &output)) ||
      failed(refrain_model_label_count(c->model, &labels)))
    return -1;
  if (output.rank != 2 || labels != output.shape[1] || c->maxlen < 1) {
    fprintf(stderr, "%s: this model does not give a label to a text\n", path);
    return -1;
  }
  c->labels = calloc((size_t)labels, sizeof *c->labels);
  c->ids = malloc((size_t)c->maxlen * sizeof *c->ids);
  c->probabilities = malloc((size_t)labels * sizeof *c->probabilities);
  if (!c->labels || !c->ids || !c->probabilities) {
    fputs("out of memory\n", stderr);
    return -1;
  }
  c->classes = labels;
  c->pads_behind = finds_padding_behind(c);
  return read_labels(c);
}

static void close_classifier(classifier *c) {
  for (int64_t k = 0; k < c->classes; k++) free(c->labels[k]);
  free(c->labels);
  free(c->ids);
  free(c->probabilities);
  refrain_session_release(c->session);
  refrain_tokenizer_release(c->tokenizer);
  refrain_model_release(c->model);
}

static refrain_status classify(classifier *c, const char *text) {
  int64_t length;
  refrain_status status =
      refrain_tokenizer_encode_batch(c->tokenizer, &text, 1, c->ids, c->maxlen, &length);
  if (status != REFRAIN_OK) return status;
  refrain_tensor x = {.struct_size = sizeof x, .data = c->ids, .type = REFRAIN_INT32, .rank = 2,
                      .shape = {1, c->maxlen}, .lengths = c->pads_behind ? &length : NULL};
  refrain_tensor y = {.struct_size = sizeof y, .data = c->probabilities, .type = REFRAIN_FLOAT32,
                      .rank = 2, .shape = {1, c->classes}};
  return refrain_session_run(c->session, &x, 1, &y, 1);
}

/* Returns -1 if standard output does not take it. */
static int print(const classifier *c, const char *text, int with_scores) {
  int64_t best = 0;
  for (int64_t k = 1; k < c->classes; k++)
    if (c->probabilities[k] > c->probabilities[best]) best = k;
  printf("%s\t%.3f\t", c->labels[best], c->probabilities[best]);
  for (int64_t k = 0; with_scores && k < c->classes; k++)
    printf("%s=%.3f%c", c->labels[k], c->probabilities[k], k + 1 < c->classes ? ' ' : '\t');
  puts(text);
  if (fflush(stdout) == 0 && !ferror(stdout)) return 0;
  fprintf(stderr, "standard output: %s\n", strerror(errno));
  return -1;
}

/* Returns the number of lines that were left out, or -1 after another error. */
static long classify_lines(classifier *c, int with_scores) {
  char *line = NULL;
  size_t room = 0, number = 0;
  ssize_t length;
  long left_out = 0;
  while (left_out >= 0 && (length = getline(&line, &room, stdin)) != -1) {
    number++;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) line[--length] = 0;
    const char *problem = strlen(line) != (size_t)length      ? "it has a NUL byte"
                          : classify(c, line) != REFRAIN_OK ? refrain_last_error()
                                                            : NULL;
    if (problem) {
      fprintf(stderr, "line %zu is left out: %s\n", number, problem);
      left_out++;
    } else if (print(c, line, with_scores)) {
      left_out = -1;
    }
  }
  if (left_out >= 0 && !feof(stdin)) {
    fprintf(stderr, "standard input: %s\n", strerror(errno));
    left_out = -1;
  }
  free(line);
  return left_out;
}

int main(int argc, char **argv) {
  static const char usage[] = "usage: reviews_classify MODEL [--scores] < texts\n";
  int with_scores = argc == 3 && strcmp(argv[2], "--scores") == 0;
  if (argc == 2 && strcmp(argv[1], "--help") == 0) {
    fputs(usage, stdout);
    return 0;
  }
  if (argc != 2 && !with_scores) {
    fputs(usage, stderr);
    return 2;
  }
  classifier c = {0};
  int error = open_classifier(&c, argv[1]) || classify_lines(&c, with_scores) != 0;
  close_classifier(&c);
  return error ? 1 : 0;
}
