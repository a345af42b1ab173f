/* reviews_classify.c: load a model that reviews_train saved, and classify lines of text
 *
 *     reviews_classify MODEL [--scores] < texts
 *
 * Writes `label<TAB>probability<TAB>text` for each line; with --scores every class's probability.
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
  char **labels;
  int32_t *ids;
  float *probabilities;
} classifier;

static int open_classifier(classifier *c, const char *path) {
  refrain_tensor output = {.struct_size = sizeof output};
  int64_t labels;
  if (failed(refrain_model_load(path, &c->model)) ||
      failed(refrain_model_tokenizer(c->model, &c->tokenizer)) ||
      failed(refrain_session_create(c->model, NULL, &c->session)) ||
      failed(refrain_tokenizer_maxlen(c->tokenizer, &c->maxlen)) ||
      failed(refrain_model_output(c->model, 0, &output)) ||
      failed(refrain_model_label_count(c->model, &labels)))
    return -1;
  c->classes = output.shape[output.rank - 1];
  if (labels != c->classes || c->maxlen < 1 || output.rank != 2) {
    fprintf(stderr, "%s: not a classifier of texts\n", path);
    return -1;
  }
  c->labels = calloc((size_t)c->classes, sizeof *c->labels);
  c->ids = malloc((size_t)c->maxlen * sizeof *c->ids);
  c->probabilities = malloc((size_t)c->classes * sizeof *c->probabilities);
  if (!c->labels || !c->ids || !c->probabilities) {
    fputs("out of memory\n", stderr);
    return -1;
  }
  for (int64_t k = 0; k < c->classes; k++) {
    int64_t length;
    refrain_model_label(c->model, k, NULL, 0, &length);
    c->labels[k] = malloc((size_t)length + 1);
    if (!c->labels[k] || failed(refrain_model_label(c->model, k, c->labels[k], length + 1, NULL)))
      return -1;
  }
  return 0;
}

static void close_classifier(classifier *c) {
  for (int64_t k = 0; c->labels && k < c->classes; k++) free(c->labels[k]);
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
                      .shape = {1, c->maxlen}, .lengths = &length};
  refrain_tensor y = {.struct_size = sizeof y, .data = c->probabilities, .type = REFRAIN_FLOAT32,
                      .rank = 2, .shape = {1, c->classes}};
  return refrain_session_run(c->session, &x, 1, &y, 1);
}

static void print(const classifier *c, const char *text, int with_scores) {
  int64_t best = 0;
  for (int64_t k = 1; k < c->classes; k++)
    if (c->probabilities[k] > c->probabilities[best]) best = k;
  printf("%s\t%.3f\t", c->labels[best], c->probabilities[best]);
  for (int64_t k = 0; with_scores && k < c->classes; k++)
    printf("%s=%.3f%c", c->labels[k], c->probabilities[k], k + 1 < c->classes ? ' ' : '\t');
  puts(text);
}

int main(int argc, char **argv) {
  int with_scores = argc == 3 && strcmp(argv[2], "--scores") == 0;
  if (argc > 1 && strcmp(argv[1], "--help") == 0) {
    puts("usage: reviews_classify MODEL [--scores] < texts");
    return 0;
  }
  if (argc < 2 || (argc > 2 && !with_scores)) {
    fputs("usage: reviews_classify MODEL [--scores] < texts\n", stderr);
    return 2;
  }
  classifier c = {0};
  int error = open_classifier(&c, argv[1]);
  char *line = NULL;
  size_t room = 0, number = 0;
  ssize_t length;
  while (!error && (length = getline(&line, &room, stdin)) != -1) {
    number++;
    while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r')) line[--length] = 0;
    if (classify(&c, line) != REFRAIN_OK) {
      fprintf(stderr, "line %zu: %s\n", number, refrain_last_error());
      error = 1;
      break;
    }
    print(&c, line, with_scores);
    if (fflush(stdout)) {
      fprintf(stderr, "standard output: %s\n", strerror(errno));
      error = 1;
    }
  }
  free(line);
  close_classifier(&c);
  return error ? 1 : 0;
}
