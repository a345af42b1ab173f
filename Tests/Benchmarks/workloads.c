/*
 * workloads.c — the models and data that are timed, and what they cost at the least
 */
#include "bench.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REVIEWS(layer, more) \
  "Embedding(10000, 64) -> " layer "(64" more ") -> Dense(3, activation=softmax)"
#define DROPS ", dropout=0.2, recurrent_dropout=0.2"
#define DEEP(layer) \
  "Input(128) -> " layer "(512, return_sequences=true) -> " layer "(512) -> " \
  "Dense(10, activation=softmax)"
#define TAGGER \
  "Input(64) -> Bidirectional(LSTM(128, return_sequences=true)) -> Dense(9, activation=softmax)"

const workload workloads[] = {
    {"T1-lstm", TRAIN, REVIEWS("LSTM", ""), 32, 100, 0, 10000, 3, 0, 0, {{64, 64, 4, 1}}},
    {"T1-gru", TRAIN, REVIEWS("GRU", ""), 32, 100, 0, 10000, 3, 0, 0, {{64, 64, 3, 1}}},
    {"T1-lstm-short", TRAIN, REVIEWS("LSTM", ""), 32, 100, 0, 10000, 3, 0, 1, {{64, 64, 4, 1}}},
    {"T1d-lstm", TRAIN, REVIEWS("LSTM", DROPS), 32, 100, 0, 10000, 3, 0, 0, {{64, 64, 4, 1}}},
    {"T1d-gru", TRAIN, REVIEWS("GRU", DROPS), 32, 100, 0, 10000, 3, 0, 0, {{64, 64, 3, 1}}},
    {"T2-lstm", TRAIN, DEEP("LSTM"), 64, 50, 128, 0, 10, 0, 0, {{128, 512, 4, 1}, {512, 512, 4, 1}}},
    {"T2-gru", TRAIN, DEEP("GRU"), 64, 50, 128, 0, 10, 0, 0, {{128, 512, 3, 1}, {512, 512, 3, 1}}},
    {"T3", TRAIN,
     "Embedding(65, 64) -> LSTM(256, return_sequences=true) -> "
     "LSTM(256, return_sequences=true) -> Dense(65, activation=softmax)",
     50, 50, 0, 65, 65, 1, 0, {{64, 256, 4, 1}, {256, 256, 4, 1}}},
    {"T4", TRAIN, TAGGER, 16, 200, 64, 0, 9, 1, 0, {{64, 128, 4, 2}}},
    {"T4-short", TRAIN, TAGGER, 16, 200, 64, 0, 9, 1, 1, {{64, 128, 4, 2}}},
    {"I1-lstm", RUN, REVIEWS("LSTM", ""), 1, 100, 0, 10000, 3, 0, 0, {{64, 64, 4, 1}}},
    {"I1-gru", RUN, REVIEWS("GRU", ""), 1, 100, 0, 10000, 3, 0, 0, {{64, 64, 3, 1}}},
    {"I2-lstm", RUN, "Input(64) -> LSTM(256, return_sequences=true)", 128, 100, 64, 0, 256, 1, 0,
     {{64, 256, 4, 1}}},
    {"I2-gru", RUN, "Input(64) -> GRU(256, return_sequences=true)", 128, 100, 64, 0, 256, 1, 0,
     {{64, 256, 3, 1}}},
    {"S1-lstm-20", STEP, "Input(1) -> LSTM(20)", 1, 1, 1, 0, 20, 0, 0, {{1, 20, 4, 1}}},
    {"S1-lstm-64", STEP, "Input(64) -> LSTM(64)", 1, 1, 64, 0, 64, 0, 0, {{64, 64, 4, 1}}},
    {"S1-lstm-256", STEP, "Input(128) -> LSTM(256)", 1, 1, 128, 0, 256, 0, 0, {{128, 256, 4, 1}}},
    {"S1-lstm-512", STEP, "Input(256) -> LSTM(512)", 1, 1, 256, 0, 512, 0, 0, {{256, 512, 4, 1}}},
    {"S1-gru-20", STEP, "Input(1) -> GRU(20)", 1, 1, 1, 0, 20, 0, 0, {{1, 20, 3, 1}}},
    {"S1-gru-64", STEP, "Input(64) -> GRU(64)", 1, 1, 64, 0, 64, 0, 0, {{64, 64, 3, 1}}},
    {"S1-gru-256", STEP, "Input(128) -> GRU(256)", 1, 1, 128, 0, 256, 0, 0, {{128, 256, 3, 1}}},
    {"S1-gru-512", STEP, "Input(256) -> GRU(512)", 1, 1, 256, 0, 512, 0, 0, {{256, 512, 3, 1}}},
};
const int workload_count = sizeof workloads / sizeof workloads[0];

/** Park & Miller 1988; the same data on every machine. */
static uint32_t next_random(uint32_t *state) {
  return *state = (uint32_t)((uint64_t)*state * 48271 % 2147483647);
}

/** Sets a length for each sequence, or of none where `lengths` is NULL; returns their sum. Those of short
 *  ones, in no order, are 1 to 35 of a hundred timesteps, and 18 on average, as movie reviews are. */
static int64_t set_lengths(const workload *w, int64_t *lengths) {
  int64_t sum = 0;
  uint32_t random = 1, spread = (uint32_t)(w->timesteps * 18 / 100);
  for (int i = 0; i < w->batch; i++) {
    int64_t length = w->timesteps;
    if (w->short_rows) {
      length = 1 + next_random(&random) % spread;
      length += next_random(&random) % spread;
    }
    if (lengths) lengths[i] = length;
    sum += length;
  }
  return sum;
}

/* ---- what they cost -------------------------------------------------------------------------- */

cost cost_of(const workload *w) {
  cost c = {0};
  double rows = (double)set_lengths(w, NULL);
  double depth = 0; /* of what the Dense layer reads */
  for (int i = 0; i < 2 && w->layers[i].hidden; i++) {
    const recurrent *l = &w->layers[i];
    double gates = (double)l->directions * l->gates * l->hidden;
    double projection = 2 * rows * l->input * gates;
    double recurrence = 2 * rows * l->hidden * gates;
    /* Training: the product itself, the weights' gradient, and the inputs' unless they are data. */
    int is_data = i == 0 && !w->vocabulary;
    c.flops += w->activity == TRAIN ? (is_data ? 2 : 3) * projection + 3 * recurrence
                                    : projection + recurrence;
    c.activations += rows * gates + (l->gates == 4 ? rows * l->directions * l->hidden : 0);
    c.parameters += gates * (l->input + l->hidden + (l->gates == 3 ? 2 : 1));
    depth = l->directions * l->hidden;
    if (w->batch == 1) {
      /* A single row reads every weight for every step. A whole sequence's projection does not. */
      double read = (w->activity == STEP ? l->input + l->hidden : l->hidden) * gates;
      c.weight_bytes += 4 * read;
      c.weight_reads = w->timesteps;
      c.flops -= w->activity == STEP ? projection + recurrence : recurrence;
    }
  }
  if (depth != w->outputs) {
    c.flops += (w->activity == TRAIN ? 6 : 2) * (w->every_step ? rows : w->batch) * depth * w->outputs;
    c.parameters += (depth + 1) * w->outputs;
  }
  c.parameters += (double)w->vocabulary * w->layers[0].input;
  if (w->activity != TRAIN) c.parameters = 0;
  return c;
}

const workload *find_workload(const char *name) {
  for (int i = 0; i < workload_count; i++) {
    const char *a = workloads[i].name, *b = name;
    while (*a && *a == *b) a++, b++;
    if (*a == *b) return &workloads[i];
  }
  return NULL;
}

/* ---- preparing and repeating them ------------------------------------------------------------ */

struct prepared {
  const workload *w;
  refrain_model *model;
  refrain_trainer *trainer;
  refrain_session *session;
  float *x, *y;
  int32_t *ids, *classes;
  int64_t *lengths;
  refrain_tensor input, output, target;
};

static void check(refrain_status status) {
  if (status) fail(refrain_last_error());
}

static void *array(size_t count) {
  void *memory = calloc(count, 4);
  if (!memory) fail("no memory for the data");
  return memory;
}

static refrain_tensor tensor(void *data, int32_t type, int64_t batch, int64_t timesteps,
                             int64_t features) {
  refrain_tensor t = {sizeof t, data, type, 0, {batch}, NULL, NULL};
  t.rank = 1;
  if (timesteps) t.shape[t.rank++] = timesteps;
  if (features) t.shape[t.rank++] = features;
  return t;
}

prepared *prepare(const workload *w, int threads) {
  prepared *p = calloc(1, sizeof *p);
  if (!p) fail("no memory");
  p->w = w;
  check(refrain_model_create(w->notation, 1, &p->model));
  size_t steps = (size_t)w->batch * (size_t)w->timesteps;
  size_t items = w->every_step ? steps : (size_t)w->batch;
  uint32_t random = 1;
  if (w->vocabulary) {
    p->ids = array(steps);
    for (size_t i = 0; i < steps; i++)
      p->ids[i] = (int32_t)(next_random(&random) % (uint32_t)w->vocabulary);
    p->input = tensor(p->ids, REFRAIN_INT32, w->batch, w->timesteps, 0);
  } else {
    size_t count = steps * (size_t)w->features;
    p->x = array(count);
    for (size_t i = 0; i < count; i++) p->x[i] = (float)next_random(&random) / 1073741824.0f - 1;
    p->input = tensor(p->x, REFRAIN_FLOAT32, w->batch, w->timesteps, w->features);
  }
  if (w->short_rows) {
    p->lengths = calloc((size_t)w->batch, sizeof *p->lengths);
    if (!p->lengths) fail("no memory for the data");
    set_lengths(w, p->lengths);
    p->input.lengths = p->lengths;
  }
  int64_t every = w->every_step ? w->timesteps : 0;
  p->y = array(items * (size_t)w->outputs);
  p->output = tensor(p->y, REFRAIN_FLOAT32, w->batch, every, w->outputs);
  p->classes = array(items);
  for (size_t i = 0; i < items; i++)
    p->classes[i] = (int32_t)(next_random(&random) % (uint32_t)w->outputs);
  p->target = tensor(p->classes, REFRAIN_INT32, w->batch, every, 0);

  char options[100];
  if (w->activity == TRAIN) {
    snprintf(options, sizeof options,
             "loss=crossentropy, optimizer=Adam(0.001), clip_norm=5, threads=%d", threads);
    check(refrain_trainer_create(p->model, options, &p->trainer));
  } else {
    snprintf(options, sizeof options, "threads=%d", threads);
    check(refrain_session_create(p->model, options, &p->session));
  }
  return p;
}

void once(prepared *p) {
  switch (p->w->activity) {
  case TRAIN:
    check(refrain_trainer_forward(p->trainer, &p->input, 1, NULL, 0));
    check(refrain_trainer_backward_loss(p->trainer, &p->target, 1, NULL, NULL, NULL, 0));
    check(refrain_trainer_update(p->trainer, NULL));
    break;
  case RUN: check(refrain_session_run(p->session, &p->input, 1, &p->output, 1)); break;
  case STEP: check(refrain_session_step(p->session, p->x, p->y)); break;
  }
}

void release(prepared *p) {
  refrain_session_release(p->session);
  refrain_trainer_release(p->trainer);
  refrain_model_release(p->model);
  free(p->x);
  free(p->y);
  free(p->ids);
  free(p->classes);
  free(p->lengths);
  free(p);
}
