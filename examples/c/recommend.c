/* recommend.c: what will this visitor look at next?
 *
 * Sessions of a shop are sequences of item ids. A GRU reads one item after the other and, after
 * each, gives every item a probability of being the next (GRU4Rec: Hidasi et al. 2016). Sessions
 * have different lengths; padding behind the end is not read, and its targets do not count.
 *
 * The measure is the hit rate at 10: how often the item that came next is among the ten that were
 * recommended. Beside it stands that of recommending the ten most popular items to everyone, which
 * the model must beat by far; if not, the program ends with status 1.
 */
#include <refrain.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ITEMS = 300, LONGEST = 20, SHORTEST = 5, TRAIN = 3000, TEST = 500, TOP = 10, EPOCHS = 8 };

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

/* Sessions cut for learning: at each timestep the item that was seen and the one that came next.
 * Ids are 1 … ITEMS, 0 is padding. */
typedef struct {
  int64_t count;
  int64_t *lengths;   /* [count] */
  int32_t *seen, *next; /* [count, LONGEST] */
  refrain_tensor x, y;
  refrain_dataset dataset;
} sessions;

/* ---- visitors -------------------------------------------------------------------------------- */

static int below(int count) { return rand() % count; }

/* A popular item, low ids more often than high ones. */
static int popular_item(void) {
  int a = below(ITEMS), b = below(ITEMS);
  return 1 + (a < b ? a : b) * below(ITEMS) / ITEMS;
}

/* Which of three habits a visitor follows can only be told from more than the last item. */
static void visit(int32_t *items, int64_t count) {
  static const int strides[] = {1, 7, 31};
  int stride = strides[below(3)], item = popular_item();
  for (int64_t t = 0; t < count; t++) {
    items[t] = item;
    item = below(10) < 8 ? 1 + (item - 1 + stride) % ITEMS : popular_item();
  }
}

static int make_sessions(sessions *s, int64_t count) {
  int32_t items[LONGEST + 1];
  s->count = count;
  s->lengths = malloc((size_t)count * sizeof *s->lengths);
  s->seen = calloc((size_t)count * LONGEST, sizeof *s->seen);
  s->next = calloc((size_t)count * LONGEST, sizeof *s->next);
  if (!s->lengths || !s->seen || !s->next) return -1;
  for (int64_t i = 0; i < count; i++) {
    int64_t length = SHORTEST + below(LONGEST - SHORTEST + 1);
    visit(items, length + 1);
    memcpy(s->seen + i * LONGEST, items, (size_t)length * sizeof *items);
    memcpy(s->next + i * LONGEST, items + 1, (size_t)length * sizeof *items);
    s->lengths[i] = length;
  }
  s->x = (refrain_tensor){.struct_size = sizeof s->x, .data = s->seen, .type = REFRAIN_INT32,
                          .rank = 2, .shape = {count, LONGEST}, .lengths = s->lengths};
  s->y = s->x;
  s->y.data = s->next;
  s->y.lengths = NULL;
  s->dataset = (refrain_dataset){.struct_size = sizeof s->dataset, .inputs = &s->x,
                                 .input_count = 1, .targets = &s->y, .target_count = 1};
  return 0;
}

static void free_sessions(sessions *s) {
  free(s->lengths);
  free(s->seen);
  free(s->next);
}

/* ---- recommending ---------------------------------------------------------------------------- */

/* Whether an item is among the TOP of scores [ITEMS + 1]; id 0 is never recommended. */
static int is_hit(const float *scores, int32_t item) {
  int better = 0;
  for (int32_t other = 1; other <= ITEMS; other++)
    better += scores[other] > scores[item] || (scores[other] == scores[item] && other < item);
  return better < TOP;
}

/* The hit rate over the last step of each session, with the same scores for everyone or with a row
 * [ITEMS + 1] for each. */
static double hit_rate(const sessions *s, const float *scores, int64_t row) {
  int hits = 0;
  for (int64_t i = 0; i < s->count; i++)
    hits += is_hit(scores + i * row, s->next[i * LONGEST + s->lengths[i] - 1]);
  return (double)hits / (double)s->count;
}

static double hit_rate_of_popular(const sessions *train, const sessions *test) {
  float counts[ITEMS + 1] = {0};
  for (int64_t i = 0; i < train->count; i++)
    for (int64_t t = 0; t < train->lengths[i]; t++) counts[train->next[i * LONGEST + t]]++;
  return hit_rate(test, counts, 0);
}

/* The probabilities after each session's last step; the state after every step would do as well. */
static int hit_rate_of_model(const refrain_model *model, const sessions *test, double *rate) {
  const int64_t classes = ITEMS + 1;
  refrain_session *session = NULL;
  float *all = malloc((size_t)(test->count * LONGEST * classes) * sizeof *all);
  float *last = malloc((size_t)(test->count * classes) * sizeof *last);
  refrain_tensor y = {.struct_size = sizeof y, .data = all, .type = REFRAIN_FLOAT32, .rank = 3,
                      .shape = {test->count, LONGEST, classes}};
  int error = !all || !last || failed(refrain_session_create(model, NULL, &session)) ||
              failed(refrain_session_run(session, &test->x, 1, &y, 1));
  for (int64_t i = 0; !error && i < test->count; i++)
    memcpy(last + i * classes, all + (i * LONGEST + test->lengths[i] - 1) * classes,
           (size_t)classes * sizeof *last);
  if (!error) *rate = hit_rate(test, last, classes);
  free(all);
  free(last);
  refrain_session_release(session);
  return error ? -1 : 0;
}

static int show_epoch(void *user, const refrain_progress *p) {
  (void)user;
  if (p->event == REFRAIN_EPOCH_END)
    printf("epoch %lld/%lld  loss %.4f  accuracy %.3f  %.2f s\n", (long long)p->epoch + 1,
           (long long)p->epochs, p->loss, p->accuracy, p->seconds);
  return 0;
}

static int train_model(refrain_model *model, const sessions *train) {
  refrain_trainer *trainer = NULL;
  char options[64];
  snprintf(options, sizeof options, "epochs=%d, batch_size=32", EPOCHS);
  int error =
      failed(refrain_trainer_create(
          model, "loss=crossentropy, optimizer=Adam(0.005), clip_norm=5, seed=1", &trainer)) ||
      failed(refrain_trainer_fit(trainer, &train->dataset, NULL, options, show_epoch, NULL));
  refrain_trainer_release(trainer);
  return error ? -1 : 0;
}

int main(void) {
  char notation[128];
  double rate = 0;
  refrain_model *model = NULL;
  sessions train = {0}, test = {0};
  snprintf(notation, sizeof notation,
           "Embedding(%d, 32) -> GRU(64, return_sequences=true) -> Dense(%d, activation=softmax)",
           ITEMS + 1, ITEMS + 1);
  int error = make_sessions(&train, TRAIN) || make_sessions(&test, TEST) ||
              failed(refrain_model_create(notation, 1, &model)) || train_model(model, &train) ||
              hit_rate_of_model(model, &test, &rate);
  if (!error) {
    double popular = hit_rate_of_popular(&train, &test);
    printf("Hit rate at %d on %d new visitors: %.3f, most popular items %.3f\n", TOP, TEST, rate,
           popular);
    error = !(rate > 2 * popular);
  }
  free_sessions(&train);
  free_sessions(&test);
  refrain_model_release(model);
  if (error) fputs("recommend: failed\n", stderr);
  return error ? 1 : 0;
}
