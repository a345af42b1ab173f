/*
 * denormals.c — denormals are zero inside calls, and a caller's floating point stays as it was
 *
 * Arithmetic that gives denormals is set up through inputs, states, parameters and gradients; what
 * comes out must be zero or normal, on every thread. (Layers that only copy or choose numbers, such
 * as Concat and Pooling(max), hand on what they are given, and are not part of this.)
 *
 * The caller's control words, MXCSR and that of the x87 unit, or FPCR, are compared after every kind
 * of call.
 */
#define _GNU_SOURCE
#include "support.h"

#include <fenv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <xmmintrin.h>
#elif !defined(__aarch64__)
#error "the control word of this processor is not known here"
#endif

/* ---- callers --------------------------------------------------------------------------------- */

/* Bits of MXCSR, or the one of FPCR. */
#ifdef __x86_64__
enum { FLUSH_OPERANDS = 1 << 6, FLUSH_RESULTS = 1 << 15 };
#else
enum { FLUSH_OPERANDS = 1 << 24, FLUSH_RESULTS = 1 << 24 };
#endif
enum { FLUSH = FLUSH_OPERANDS | FLUSH_RESULTS };
enum { TRAPS = FE_INVALID | FE_DIVBYZERO | FE_OVERFLOW };

typedef struct {
  const char *name;
  unsigned flush;
  int rounding, traps;
} caller;

static const caller callers[] = {
    {"as a process begins", 0, FE_TONEAREST, 0},
    {"with denormal results flushed", FLUSH_RESULTS, FE_TONEAREST, 0},
    {"with denormal operands flushed", FLUSH_OPERANDS, FE_TONEAREST, 0},
    {"with denormals flushed", FLUSH, FE_TONEAREST, 0},
    {"rounding up", 0, FE_UPWARD, 0},
    {"rounding to zero, denormals flushed", FLUSH, FE_TOWARDZERO, 0},
    {"with traps", 0, FE_TONEAREST, TRAPS},
    {"with traps, denormals flushed", FLUSH, FE_TONEAREST, TRAPS}};

/** The control bits of this thread, without the sticky flags of exceptions. */
static uint64_t control(void) {
#ifdef __x86_64__
  unsigned short x87;
  __asm__ volatile("fnstcw %0" : "=m"(x87));
  return (uint64_t)x87 << 32 | (_mm_getcsr() & ~0x3fu);
#else
  return __builtin_aarch64_get_fpcr();
#endif
}

/** Who calls now, and the control bits that belong to it. */
static const caller *current;
static uint64_t own;

static void become(const caller *c) {
  current = c;
  fesetenv(FE_DFL_ENV);
  fesetround(c->rounding);
  feenableexcept(c->traps);
#ifdef __x86_64__
  _mm_setcsr(_mm_getcsr() | c->flush);
#else
  __builtin_aarch64_set_fpcr(__builtin_aarch64_get_fpcr() | c->flush);
#endif
  own = control();
}

/** A call after which the control bits must be the caller's; with its outcome, and without one. */
#define LEAVES(expected, call) \
  (check_begin(__FILE__, __LINE__, #call), leaves(__LINE__, #call, (expected), (call)))
#define LEAVES_VOID(call) \
  (check_begin(__FILE__, __LINE__, #call), (call), leaves(__LINE__, #call, 0, 0))

static void leaves(int line, const char *text, refrain_status expected, refrain_status found) {
  uint64_t after = control();
  check_status(__FILE__, line, text, expected, found);
  if (!check_saying(__FILE__, line, text, after == own,
                    "%s: MXCSR or FPCR was %04x and is %04x, the x87 unit's word %04x and %04x",
                    current->name, (unsigned)own, (unsigned)after, (unsigned)(own >> 32),
                    (unsigned)(after >> 32)))
    become(current);
}

/* ---- every kind of call ---------------------------------------------------------------------- */

/* Five shards of sequences, and a model with most kinds of arithmetic. */
enum { B = 40, T = 6, I = 5, O = 3 };
static const char *const floats =
    "Input(5) -> Bidirectional(LSTM(6, return_sequences=true)) -> LayerNorm -> "
    "GRU(7, return_sequences=true) -> RNN(9) -> Dense(3, activation=softmax)";
static const char *const ids =
    "Embedding(9, 6) -> LSTM(20, dropout=0.2) -> Dense(3, activation=softmax)";

/** How often a callback was called, and whether the next data set cancels. */
static int callbacks, cancels;

static int on_progress(void *user, const refrain_progress *progress) {
  LEAVES_VOID((void)progress);
  callbacks++;
  return user != NULL;
}

static int on_batch(void *user, int64_t epoch, int64_t batch, refrain_dataset *data) {
  LEAVES_VOID((void)epoch);
  callbacks++;
  if (batch == 2) return cancels;
  *data = *(const refrain_dataset *)user;
  data->next_batch = NULL;
  return 0;
}

static void run_sessions(const refrain_model *model, const refrain_model *text, int threads,
                         refrain_dataset data, refrain_dataset words) {
  static float y[B][O], frame[2][I], row[2][O];
  static int32_t two[2] = {3, 8}, strange[B][T] = {{9}};
  char options[32];
  snprintf(options, sizeof options, "threads=%d, lanes=2", threads);
  refrain_session *session = NULL, *reader = NULL, *stream = NULL, *copy = NULL;
  refrain_metrics *metrics = NULL;
  refrain_tensor out = FLOATS(y, B, O), narrow = FLOATS(data.inputs->data, B, T, I - 1);
  refrain_tensor x = FLOATS(frame, 2, I), z = FLOATS(row, 2, O), far = IDS(strange, B, T);
  LEAVES(0, refrain_session_create(model, options, &session));
  LEAVES(0, refrain_session_create(text, options, &reader));
  LEAVES(0, refrain_session_run(session, data.inputs, 1, &out, 1));
  LEAVES(0, refrain_session_run(reader, words.inputs, 1, &out, 1));
  LEAVES(REFRAIN_SHAPE, refrain_session_run(session, &narrow, 1, &out, 1));
  LEAVES(REFRAIN_UNSUPPORTED, refrain_session_generate(reader, words.inputs, 1, "max_length=1",
                                                       two, NULL, NULL));
  LEAVES(REFRAIN_ARGUMENT, refrain_session_run(reader, &far, 1, &out, 1));
  LEAVES(REFRAIN_NULL_POINTER, refrain_session_run(session, NULL, 1, &out, 1));
  LEAVES(REFRAIN_HANDLE, refrain_session_run((refrain_session *)model, data.inputs, 1, &out, 1));

  LEAVES(0, refrain_session_evaluate(session, &data, "loss=crossentropy", &metrics));
  LEAVES_VOID(refrain_metrics_release(metrics));
  refrain_dataset supplied = {
      .struct_size = sizeof supplied, .next_batch = on_batch, .user = &data};
  callbacks = cancels = 0;
  LEAVES(0, refrain_session_evaluate(session, &supplied, "loss=crossentropy", &metrics));
  LEAVES_VOID(refrain_metrics_release(metrics));
  cancels = 1;
  LEAVES(REFRAIN_CANCELLED,
         refrain_session_evaluate(session, &supplied, "loss=crossentropy", &metrics));
  CHECK_EQUAL(callbacks, 6);
  LEAVES(REFRAIN_NOTATION, refrain_session_evaluate(session, &data, "loss=grief", &metrics));

  LEAVES(0, refrain_session_step_ids(reader, two, row[0]));
  LEAVES(REFRAIN_ARGUMENT, refrain_session_step_ids(reader, strange[0], row[0]));
  LEAVES(REFRAIN_UNSUPPORTED, refrain_session_step(session, frame[0], row[0]));
  refrain_model *causal = make_model("Input(5) -> GRU(8) -> Dense(3)", 3);
  LEAVES(0, refrain_session_create(causal, options, &stream));
  LEAVES(0, refrain_session_step(stream, frame[0], row[0]));
  LEAVES(0, refrain_session_step_tensors(stream, &x, 1, &z, 1));
  LEAVES(REFRAIN_SHAPE, refrain_session_step_tensors(stream, &narrow, 1, &z, 1));
  LEAVES(0, refrain_session_clone(stream, &copy));
  int64_t size = 0;
  unsigned char *state = state_bytes(stream, &size);
  LEAVES(0, refrain_session_load_state(copy, state, size));
  LEAVES(REFRAIN_FORMAT, refrain_session_load_state(copy, state, size - 1));
  LEAVES(0, refrain_session_reset(copy, REFRAIN_ALL_LANES));
  free(state);
  LEAVES_VOID(refrain_session_release(copy));
  LEAVES_VOID(refrain_session_release(stream));
  LEAVES_VOID(refrain_session_release(reader));
  LEAVES_VOID(refrain_session_release(session));
  refrain_model_release(causal);
}

static void run_trainers(refrain_model *model, int threads, refrain_dataset data) {
  static float y[B][O], dy[B][O], dx[B][T][I];
  static int32_t strange[B] = {O};
  char options[128];
  snprintf(options, sizeof options,
           "loss=crossentropy, threads=%d, clip_norm=0.1, clip_parameter_norm=0.05, l2=0.01",
           threads);
  refrain_trainer *trainer = NULL;
  refrain_tensor out = FLOATS(y, B, O), d_out = FLOATS(dy, B, O), d_in = FLOATS(dx, B, T, I);
  refrain_tensor narrow = FLOATS(data.inputs->data, B, T, I - 1), wrong = IDS(strange, B);
  double loss, norm;
  float *gradient;
  LEAVES(0, refrain_trainer_create(model, options, &trainer));
  LEAVES(REFRAIN_ORDER, refrain_trainer_update(trainer, &norm));
  LEAVES(REFRAIN_ORDER, refrain_trainer_backward(trainer, &d_out, 1, NULL, 0));
  LEAVES(REFRAIN_SHAPE, refrain_trainer_forward(trainer, &narrow, 1, NULL, 0));
  LEAVES(0, refrain_trainer_forward(trainer, data.inputs, 1, &out, 1));
  LEAVES(0, refrain_trainer_backward(trainer, &d_out, 1, &d_in, 1));
  LEAVES(0, refrain_trainer_zero_gradients(trainer));
  LEAVES(0, refrain_trainer_forward(trainer, data.inputs, 1, NULL, 0));
  LEAVES(REFRAIN_ARGUMENT, refrain_trainer_backward_loss(trainer, &wrong, 1, NULL, &loss, NULL, 0));
  LEAVES(0, refrain_trainer_backward_loss(trainer, data.targets, 1, NULL, &loss, &d_in, 1));
  LEAVES(0, refrain_trainer_update(trainer, &norm));

  refrain_dataset supplied = {
      .struct_size = sizeof supplied, .next_batch = on_batch, .user = &data};
  refrain_dataset unfit = make_dataset(&narrow, data.targets);
  callbacks = cancels = 0;
  LEAVES(0, refrain_trainer_fit(trainer, &data, &data, "batch_size=16, accumulate=2", on_progress,
                                NULL));
  LEAVES(0, refrain_trainer_fit(trainer, &supplied, NULL, "epochs=2", on_progress, NULL));
  CHECK_EQUAL(callbacks, 3 + 1 + 2 * (3 + 2 + 1));
  LEAVES(REFRAIN_CANCELLED, refrain_trainer_fit(trainer, &data, NULL, "", on_progress, &data));
  cancels = 1;
  LEAVES(REFRAIN_CANCELLED, refrain_trainer_fit(trainer, &supplied, NULL, "", NULL, NULL));
  LEAVES(REFRAIN_SHAPE, refrain_trainer_fit(trainer, &unfit, NULL, "", NULL, NULL));

  LEAVES(0, refrain_trainer_gradient_data(trainer, "dense.bias", &gradient, NULL));
  gradient[1] = INFINITY;
  LEAVES(REFRAIN_NOT_FINITE, refrain_trainer_update(trainer, &norm));
  LEAVES_VOID(refrain_trainer_release(trainer));
}

/* Numbers that are not finite; a caller with traps is not ended by them. */
static void run_infinities(int threads) {
  static float x[B][T][I], y[B][T][O], weight[O][I];
  char options[64];
  snprintf(options, sizeof options, "loss=mse, threads=%d", threads);
  for (int i = 0; i < B * T * I; i++) (&x[0][0][0])[i] = INFINITY;
  for (int i = 0; i < O * I; i++) (&weight[0][0])[i] = 2;
  refrain_model *model = make_model("Input(5) -> Dense(3)", 3);
  LEAVES(0, refrain_model_set_parameter(model, "dense.weight", &weight[0][0], O * I));
  refrain_trainer *trainer = make_trainer(model, options);
  refrain_tensor in = FLOATS(x, B, T, I), goal = FLOATS(y, B, T, O);
  refrain_dataset data = make_dataset(&in, &goal);
  LEAVES(0, refrain_trainer_forward(trainer, &in, 1, NULL, 0));
  LEAVES(REFRAIN_NOT_FINITE, refrain_trainer_backward_loss(trainer, &goal, 1, NULL, NULL, NULL, 0));
  LEAVES(REFRAIN_NOT_FINITE, refrain_trainer_fit(trainer, &data, NULL, "", NULL, NULL));
  weight[0][0] = INFINITY;
  LEAVES(REFRAIN_NOT_FINITE,
         refrain_model_set_parameter(model, "dense.weight", &weight[0][0], O * I));
  refrain_trainer_release(trainer);
  refrain_model_release(model);
}

static void run_models(refrain_model *model) {
  float bias[O];
  int64_t size = 0;
  unsigned char *file = model_bytes(model, &size);
  refrain_model *again = NULL;
  LEAVES(0, refrain_model_load_memory(file, size, &again));
  LEAVES_VOID(refrain_model_release(again));
  LEAVES(REFRAIN_FORMAT, refrain_model_load_memory(file, size / 2, &again));
  LEAVES(0, refrain_model_get_parameter(model, "dense.bias", bias, O));
  LEAVES(0, refrain_model_set_parameter(model, "dense.bias", bias, O));
  LEAVES(0, refrain_model_parameters_changed(model));
  free(file);
}

static void calls_leave_floating_point_as_it_was(void) {
  static float x[B][T][I];
  static int32_t words[B][T], classes[B];
  fill_random(&x[0][0][0], sizeof x / sizeof(float), 1);
  fill_ids(&words[0][0], B * T, 9, 2);
  fill_ids(classes, B, O, 3);
  refrain_tensor in = FLOATS(x, B, T, I), text = IDS(words, B, T), goal = IDS(classes, B);
  refrain_dataset data = make_dataset(&in, &goal), reading = make_dataset(&text, &goal);
  for (int64_t c = 0; c < COUNT_OF(callers); c++) {
    for (int threads = 1; threads <= 2; threads++) {
      become(&callers[c]);
      refrain_model *model = NULL, *reader = NULL, *none = NULL;
      LEAVES(0, refrain_model_create(floats, 5, &model));
      LEAVES(0, refrain_model_create(ids, 5, &reader));
      LEAVES(REFRAIN_NOTATION, refrain_model_create("Input(5) -> GRUE(7)", 5, &none));
      run_models(model);
      run_sessions(model, reader, threads, data, reading);
      run_trainers(model, threads, data);
      run_infinities(threads);
      refrain_model_release(reader);
      refrain_model_release(model);
    }
  }
}

/* Workers compute in the mode of the call they help with, not in that of an earlier one. */
static void all_threads_round_as_the_caller_does(void) {
  enum { ROWS = 400, STEPS = 9, MODES = 3 };
  static const caller modes[MODES] = {{"rounding to nearest", 0, FE_TONEAREST, 0},
                                      {"rounding up", 0, FE_UPWARD, 0},
                                      {"rounding down", FLUSH, FE_DOWNWARD, 0}};
  static float x[ROWS][STEPS][I], expected[MODES][ROWS][O], y[ROWS][O];
  fill_random(&x[0][0][0], sizeof x / sizeof(float), 1);
  refrain_tensor in = FLOATS(x, ROWS, STEPS, I);
  refrain_model *model = make_model(floats, 5);
  refrain_session *one = make_session(model, ""), *two = make_session(model, "threads=2");
  for (int m = 0; m < MODES; m++) {
    become(&modes[m]);
    run_batch(one, in, FLOATS(expected[m], ROWS, O));
    for (int before = 0; before < m; before++)
      CHECK_SAYING(memcmp(expected[before], expected[m], sizeof y) != 0, "%s and %s are the same",
                   modes[before].name, modes[m].name);
  }
  for (int round = 0; round < 60; round++) {
    become(&modes[round % MODES]);
    run_batch(two, in, FLOATS(y, ROWS, O));
    CHECK_SAME(&y[0][0], &expected[round % MODES][0][0], ROWS * O);
  }
  refrain_session_release(two);
  refrain_session_release(one);
  refrain_model_release(model);
}

/* ---- numbers --------------------------------------------------------------------------------- */

/** How many are denormal; asks for bits, since arithmetic may take them as zero. */
static int64_t denormals(const void *values, int64_t count) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, (const char *)values + 4 * i, sizeof bits);
    found += (bits & 0x7f800000u) == 0 && (bits & 0x007fffffu) != 0;
  }
  return found;
}

/* Of a saved state, which is a safetensors file with one array: the length of its header in eight
   bytes, the header, the floats. */
static int64_t denormals_of_state(const refrain_session *session) {
  int64_t size = 0, header = 0;
  unsigned char *bytes = state_bytes(session, &size);
  memcpy(&header, bytes, sizeof header);
  REQUIRE(header > 0 && 8 + header < size && (size - 8 - header) % 4 == 0);
  int64_t found = denormals(bytes + 8 + header, (size - 8 - header) / 4);
  free(bytes);
  return found;
}

/** Sets all parameters whose names contain the text to what `value` says of each index. */
static void set_parameters(refrain_model *model, const char *text, float (*value)(int64_t)) {
  int64_t parameters = 0, numbers = 0;
  REQUIRE_OK(refrain_model_parameter_counts(model, &parameters, &numbers));
  float *values = malloc((size_t)numbers * sizeof *values);
  REQUIRE(values != NULL);
  for (int64_t i = 0; i < numbers; i++) values[i] = value(i);
  for (int64_t p = 0; p < parameters; p++) {
    char name[64];
    float *data;
    int64_t count;
    REQUIRE_OK(refrain_model_parameter(model, p, name, sizeof name, NULL, NULL));
    REQUIRE_OK(refrain_model_parameter_data(model, name, &data, &count));
    if (strstr(name, text)) REQUIRE_OK(refrain_model_set_parameter(model, name, values, count));
  }
  free(values);
}

static float zero(int64_t i) { return 0 * (float)i; }

/** 1e-40 and the like, of both signs; all are denormal. */
static float tiny(int64_t i) { return (i % 3 ? 1e-40f : -3e-39f) / (float)(1 + i % 5); }

static void fill(float *values, int64_t count, float (*value)(int64_t)) {
  for (int64_t i = 0; i < count; i++) values[i] = value(i);
}

/* ---- states and gradients that decay --------------------------------------------------------- */

/* From one timestep to the next a state keeps some 95 of 100 parts: it is denormal after some 1700
   timesteps, and would stay so for ever, since 0.95 of the smallest numbers rounds to themselves.
 */
enum { DECAY = 2600 };

static const char *const cells[] = {"RNN(%d%s)", "LSTM(%d%s)", "GRU(%d%s)",
                                    "GRU(%d, reset_after=false%s)"};

static int64_t hidden;
/** Of weight_hh, a square of H for each gate. */
static float keeping(int64_t i) { return i / hidden == i % hidden ? 0.95f : 0; }
static float faint(int64_t i) { return i / hidden % hidden == i % hidden ? 0.01f : 0; }
/** Of the biases: opens the second gate, i f g o or r z n, which keeps the state. */
static float open(int64_t i) { return i / hidden == 1 ? 3 : 0; }

static refrain_model *make_decaying(const char *cell, int size, const char *options) {
  char notation[128] = "Input(3) -> ";
  hidden = size;
  snprintf(notation + strlen(notation), 100, cell, size, options);
  refrain_model *model = make_model(notation, 5);
  int is_gated = strncmp(cell, "RNN", 3) != 0;
  set_parameters(model, "weight_hh", is_gated ? faint : keeping);
  set_parameters(model, "bias", zero);
  if (is_gated) set_parameters(model, "bias_ih", open);
  return model;
}

static void plain_arithmetic_decays_to_denormals(void) {
  volatile float v = 1;
  for (int i = 0; i < DECAY; i++) v = v * 0.95f;
  float last = v;
  CHECK_EQUAL(denormals(&last, 1), 1);
}

static void streams_decay_to_zero(void) {
  enum { LANES = 3, MAX = 33 };
  static const int sizes[] = {5, MAX};
  for (int64_t c = 0; c < COUNT_OF(cells) * COUNT_OF(sizes); c++) {
    int size = sizes[c % 2];
    const char *cell = cells[c / 2];
    float frame[LANES][3] = {{1, -1, 0.5f}, {0}, {-1e-30f, 1e-30f, 1e-33f}}, y[LANES * MAX];
    refrain_model *model = make_decaying(cell, size, "");
    refrain_session *session = make_session(model, "lanes=3");
    int64_t found = 0, in_states = 0;
    int were_small = 0, failures = 0;
    for (int t = 0; t < DECAY; t++) {
      failures += refrain_session_step(session, &frame[0][0], y) != REFRAIN_OK;
      memset(frame, 0, sizeof frame);
      found += denormals(y, LANES * size);
      were_small |= y[0] != 0 && fabsf(y[0]) < 1e-36f;
      if (t % 8 == 0) in_states += denormals_of_state(session);
    }
    CHECK_EQUAL(failures, 0);
    CHECK_SAYING(were_small, "%s, size %d: the state was never small", cell, size);
    CHECK_SAYING(found == 0, "%s, size %d: %d denormals", cell, size, (int)found);
    CHECK_SAYING(in_states == 0, "%s, size %d: %d denormals in states", cell, size, (int)in_states);
    int64_t rest = 0;
    for (int i = 0; i < LANES * size; i++) rest += y[i] != 0;
    CHECK_SAYING(rest == 0, "%s, size %d: %d numbers did not become zero", cell, size, (int)rest);
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

static void sequences_decay_to_zero(void) {
  enum { ROWS = 17, H = 5 };
  static float x[ROWS][DECAY][3], y[ROWS][DECAY][H];
  for (int row = 0; row < ROWS; row++) x[row][0][row % 3] = row % 2 ? 1 : -0.5f;
  for (int64_t c = 0; c < COUNT_OF(cells); c++) {
    refrain_model *model = make_decaying(cells[c], H, ", return_sequences=true");
    for (int threads = 1; threads <= 2; threads++) {
      refrain_session *session = make_session(model, threads == 1 ? "" : "threads=2");
      run_batch(session, FLOATS(x, ROWS, DECAY, 3), FLOATS(y, ROWS, DECAY, H));
      int64_t found = denormals(y, ROWS * DECAY * H), begun = 0, rest = 0;
      for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < H; i++) begun += y[row][DECAY / 2][i] != 0;
        for (int i = 0; i < H; i++) rest += y[row][DECAY - 1][i] != 0;
      }
      CHECK_SAYING(found == 0, "%s, threads=%d: %d denormals", cells[c], threads, (int)found);
      CHECK_EQUAL(begun, ROWS * H);
      CHECK_EQUAL(rest, 0);
      refrain_session_release(session);
    }
    refrain_model_release(model);
  }
}

static void gradients_decay_to_zero(void) {
  enum { ROWS = 17, H = 5 };
  static float x[ROWS][DECAY][3], dx[ROWS][DECAY][3], dy[ROWS][H];
  fill_random(&dy[0][0], ROWS * H, 6);
  refrain_tensor in = FLOATS(x, ROWS, DECAY, 3), d_in = FLOATS(dx, ROWS, DECAY, 3);
  refrain_tensor d_out = FLOATS(dy, ROWS, H);
  for (int64_t c = 0; c < COUNT_OF(cells); c++) {
    refrain_model *model = make_decaying(cells[c], H, "");
    for (int threads = 1; threads <= 2; threads++) {
      refrain_trainer *trainer = make_trainer(model, threads == 1 ? "" : "threads=2");
      CHECK_OK(refrain_trainer_forward(trainer, &in, 1, NULL, 0));
      CHECK_OK(refrain_trainer_backward(trainer, &d_out, 1, &d_in, 1));
      int64_t found = denormals(dx, ROWS * DECAY * 3), begun = 0, rest = 0, parameters = 0;
      for (int row = 0; row < ROWS; row++) {
        for (int i = 0; i < 3; i++) begun += dx[row][DECAY / 2][i] != 0;
        for (int i = 0; i < 3; i++) rest += dx[row][0][i] != 0;
      }
      CHECK_SAYING(found == 0, "%s, threads=%d: %d denormals", cells[c], threads, (int)found);
      CHECK_EQUAL(begun, ROWS * 3);
      CHECK_EQUAL(rest, 0);
      REQUIRE_OK(refrain_model_parameter_counts(model, &parameters, NULL));
      for (int64_t p = 0; p < parameters; p++) {
        char name[64];
        float *gradient;
        int64_t count;
        REQUIRE_OK(refrain_model_parameter(model, p, name, sizeof name, NULL, NULL));
        REQUIRE_OK(refrain_trainer_gradient_data(trainer, name, &gradient, &count));
        CHECK_SAYING(denormals(gradient, count) == 0, "%s: the gradient of %s", cells[c], name);
      }
      refrain_trainer_release(trainer);
    }
    refrain_model_release(model);
  }
}

/* ---- parameters and inputs that are denormal ------------------------------------------------- */

static const char *const models[] = {
    "Input(5) -> RNN(9)",
    "Input(5) -> RNN(17, activation=relu)",
    "Input(5) -> LSTM(9)",
    "Input(5) -> LSTM(17, activation=linear, return_sequences=true)",
    "Input(5) -> GRU(9)",
    "Input(5) -> GRU(17, reset_after=false)",
    "Input(5) -> Bidirectional(LSTM(6, return_sequences=true)) -> Pooling(mean)",
    "Input(5) -> Dense(9)",
    "Input(5) -> Dense(17, activation=relu) -> Pooling(max)",
    "Input(5) -> Dense(9, activation=leaky_relu)",
    "Input(5) -> Dense(9, activation=elu) -> Dense(3, activation=softmax)",
    "Input(5) -> Activation(tanh) -> Dense(9, activation=softplus)",
    "Input(5) -> Activation(softsign)",
    "Input(5) -> LayerNorm -> GRU(9)",
    "Input(5) -> LayerNorm",
    "x = Input(5)\n[x, x] -> Add"};

/* Runs a batch of x and returns how many numbers it gave to y. */
static int64_t run_model(const refrain_model *model, int threads, float *x, float *y) {
  refrain_session *session = make_session(model, threads == 1 ? "" : "threads=2");
  refrain_tensor in = FLOATS(x, B, T, I), out = FLOATS(y, B);
  REQUIRE_OK(refrain_model_output(model, 0, &out));
  out.data = y;
  out.shape[0] = B;
  if (out.rank == 3) out.shape[1] = T;
  REQUIRE_OK(refrain_session_run(session, &in, 1, &out, 1));
  refrain_session_release(session);
  return out.shape[0] * out.shape[1] * (out.rank == 3 ? out.shape[2] : 1);
}

/* The numbers are those that zeros give, and none is denormal. */
static void check_as_from_zeros(const char *name, const char *what, const float *found,
                                const float *expected, int64_t count) {
  int64_t differ = 0;
  for (int64_t i = 0; i < count; i++) differ += found[i] != expected[i];
  CHECK_SAYING(denormals(found, count) == 0, "%s: %s that are denormal give %d denormals", name,
               what, (int)denormals(found, count));
  CHECK_SAYING(differ == 0, "%s: %s that are denormal give %d other numbers than zeros do", name,
               what, (int)differ);
}

static void denormal_parameters_count_as_zeros(void) {
  static float x[B * T * I], y[B * T * 32], expected[B * T * 32];
  fill_random(x, COUNT_OF(x), 1);
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 5);
    for (int threads = 1; threads <= 2; threads++) {
      set_parameters(model, "", zero);
      int64_t count = run_model(model, threads, x, expected);
      set_parameters(model, "", tiny);
      run_model(model, threads, x, y);
      check_as_from_zeros(models[m], "parameters", y, expected, count);
    }
    refrain_model_release(model);
  }
}

static void denormal_inputs_count_as_zeros(void) {
  static float x[B * T * I], zeros[B * T * I], y[B * T * 32], expected[B * T * 32];
  fill(x, COUNT_OF(x), tiny);
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 5);
    for (int threads = 1; threads <= 2; threads++) {
      int64_t count = run_model(model, threads, zeros, expected);
      run_model(model, threads, x, y);
      check_as_from_zeros(models[m], "inputs", y, expected, count);
    }
    refrain_model_release(model);
  }
}

static void denormal_states_count_as_zeros(void) {
  for (int64_t c = 0; c < COUNT_OF(cells); c++) {
    enum { H = 21 };
    float frame[3] = {0}, y[H], expected[H];
    refrain_model *model = make_decaying(cells[c], H, "");
    refrain_session *session = make_session(model, "");
    CHECK_OK(refrain_session_step(session, frame, expected));
    int64_t size = 0, header = 0;
    unsigned char *bytes = state_bytes(session, &size);
    memcpy(&header, bytes, sizeof header);
    for (int64_t at = 8 + header, i = 0; at < size; at += 4, i++) {
      float value = tiny(i);
      memcpy(bytes + at, &value, sizeof value);
    }
    CHECK_OK(refrain_session_load_state(session, bytes, size));
    CHECK_OK(refrain_session_step(session, frame, y));
    check_as_from_zeros(cells[c], "states", y, expected, H);
    CHECK_EQUAL(denormals_of_state(session), 0);
    free(bytes);
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* ---- single products, and updates ------------------------------------------------------------ */

/* Products of weight and input that are zero only if operands, or results, are flushed. */
static const struct {
  float weight, input;
} flushed[] = {{1, 1e-40f}, {1e30f, 1e-40f}, {1e-40f, -1e30f}, {1e-20f, 1e-20f}, {-1e-25f, 1e-15f}};

static float constant;
static float the_constant(int64_t i) { return i < 0 ? 0 : constant; }

static int64_t count_not_zero(const float *values, int64_t count) {
  int64_t found = 0;
  for (int64_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, values + i, sizeof bits);
    found += (bits & 0x7fffffffu) != 0;
  }
  return found;
}

static void operands_and_results_are_flushed(void) {
  enum { ROWS = 19, STEPS = 7, MAX = 40 };
  static const char *const products[] = {"Input(1) -> Dense(1, use_bias=false)",
                                         "Input(24) -> Dense(40, use_bias=false)"};
  static const int widths[][2] = {{1, 1}, {24, MAX}};
  static float x[ROWS * STEPS * 24], y[ROWS * STEPS * MAX];
  for (int64_t p = 0; p < COUNT_OF(products); p++) {
    refrain_model *model = make_model(products[p], 5);
    refrain_session *session = make_session(model, "");
    for (int64_t f = 0; f < COUNT_OF(flushed); f++) {
      constant = flushed[f].weight;
      set_parameters(model, "weight", the_constant);
      constant = flushed[f].input;
      fill(x, COUNT_OF(x), the_constant);
      for (int c = 0; c < 4; c++) {
        become(&callers[c]);
        int in = widths[p][0], out = widths[p][1];
        memset(y, 0xff, sizeof y);
        run_batch(session, FLOATS(x, ROWS, STEPS, in), FLOATS(y, ROWS, STEPS, out));
        int64_t found = count_not_zero(y, ROWS * STEPS * out);
        CHECK_SAYING(found == 0, "%s, %s: %g · %g gives %g", products[p], current->name,
                     (double)flushed[f].weight, (double)flushed[f].input, (double)y[0]);
        y[0] = NAN;
        CHECK_OK(refrain_session_step(session, x, y));
        CHECK_SAYING(count_not_zero(y, out) == 0, "%s, %s: %g · %g gives %g in a step", products[p],
                     current->name, (double)flushed[f].weight, (double)flushed[f].input,
                     (double)y[0]);
      }
      become(&callers[0]);
    }
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

static double seconds(clockid_t clock) {
  struct timespec now;
  clock_gettime(clock, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/* Seconds that threads other than the caller have computed. */
static double seconds_of_workers(void) {
  return seconds(CLOCK_PROCESS_CPUTIME_ID) - seconds(CLOCK_THREAD_CPUTIME_ID);
}

static void workers_flush_as_well(void) {
  enum { ROWS = 96, STEPS = 16, IN = 144, OUT = 160 };
  static float x[ROWS * STEPS * IN], y[ROWS * STEPS * OUT];
  static float dx[ROWS * STEPS * IN], dy[ROWS * STEPS * OUT];
  refrain_model *model = make_model("Input(144) -> Dense(160, use_bias=false)", 5);
  refrain_session *session = make_session(model, "threads=2");
  refrain_trainer *trainer = make_trainer(model, "threads=2");
  refrain_tensor in = FLOATS(x, ROWS, STEPS, IN), out = FLOATS(y, ROWS, STEPS, OUT);
  refrain_tensor d_out = FLOATS(dy, ROWS, STEPS, OUT), d_in = FLOATS(dx, ROWS, STEPS, IN);
  float *gradient;
  int64_t count;
  REQUIRE_OK(refrain_trainer_gradient_data(trainer, "dense.weight", &gradient, &count));
  for (int64_t f = 0; f < COUNT_OF(flushed); f++) {
    constant = flushed[f].weight;
    set_parameters(model, "weight", the_constant);
    constant = flushed[f].input;
    fill(x, COUNT_OF(x), the_constant);
    fill(dy, COUNT_OF(dy), the_constant);
    double begin = seconds_of_workers();
    int64_t found[] = {0, 0, 0, 0};
    int rounds = 0, failures = 0;
    for (; rounds < 300 && seconds_of_workers() < begin + 0.005; rounds++) {
      memset(y, 0xff, sizeof y);
      memset(dx, 0xff, sizeof dx);
      failures += refrain_session_run(session, &in, 1, &out, 1) != REFRAIN_OK;
      found[0] += count_not_zero(y, COUNT_OF(y));
      memset(y, 0xff, sizeof y);
      failures += refrain_trainer_forward(trainer, &in, 1, &out, 1) != REFRAIN_OK;
      failures += refrain_trainer_backward(trainer, &d_out, 1, &d_in, 1) != REFRAIN_OK;
      found[1] += count_not_zero(y, COUNT_OF(y));
      found[2] += count_not_zero(dx, COUNT_OF(dx));
      /* input · its own small self, of which 1e-15 squared is normal */
      if (fabsf(flushed[f].input) < 1e-18f) found[3] += count_not_zero(gradient, count);
      failures += refrain_trainer_zero_gradients(trainer) != REFRAIN_OK;
    }
    CHECK_EQUAL(failures, 0);
    if (rounds == 300)
      check_skip("denormals in workers", "the second thread hardly got a processor");
    for (int i = 0; i < 4; i++)
      CHECK_SAYING(
          found[i] == 0, "%g · %g: %d numbers are not zero in %d rounds of %s",
          (double)flushed[f].weight, (double)flushed[f].input, (int)found[i], rounds,
          (const char *[]){"running", "a forward pass", "a backward pass", "gradients"}[i]);
  }
  refrain_trainer_release(trainer);
  refrain_session_release(session);
  refrain_model_release(model);
}

static void updates_leave_no_denormals(void) {
  static const char *const options[] = {"optimizer=SGD(0.01)",
                                        "optimizer=SGD(0.01, momentum=0.9)",
                                        "optimizer=RMSprop(0.01)",
                                        "optimizer=Adam(0.01)",
                                        "optimizer=AdamW(0.01)",
                                        "optimizer=Adagrad(0.01)",
                                        "optimizer=SGD(0.1), l2=0.1",
                                        "optimizer=Adam(0.01), clip_norm=0.1, threads=2",
                                        "optimizer=SGD(0.01), clip_value=1e-39"};
  for (int64_t o = 0; o < COUNT_OF(options); o++) {
    refrain_model *model = make_model("Input(5) -> Dense(33)", 5);
    set_parameters(model, "", tiny);
    refrain_trainer *trainer = make_trainer(model, options[o]);
    for (int round = 0; round < 4; round++) {
      /* denormal ones, then normal ones of which a hundredth is not */
      float *gradient;
      int64_t count, all;
      REQUIRE_OK(refrain_trainer_gradient_data(trainer, "dense.weight", &gradient, &count));
      for (int64_t i = 0; i < count; i++) gradient[i] = round < 2 ? tiny(i) : tiny(i) * 1e3f;
      REQUIRE_OK(refrain_trainer_gradient_data(trainer, "dense.bias", &gradient, &count));
      fill(gradient, count, tiny);
      CHECK_OK(refrain_trainer_update(trainer, NULL));
      float *values = copy_parameters(model, &all);
      CHECK_SAYING(denormals(values, all) == 0, "%s: %d denormals after update %d", options[o],
                   (int)denormals(values, all), round + 1);
      free(values);
    }
    refrain_trainer_release(trainer);
    refrain_model_release(model);
  }
}

int main(int argc, char **argv) {
  check_start(argc, argv, 60);
  RUN(calls_leave_floating_point_as_it_was);
  RUN(all_threads_round_as_the_caller_does);
  RUN(plain_arithmetic_decays_to_denormals);
  RUN(streams_decay_to_zero);
  RUN(sequences_decay_to_zero);
  RUN(gradients_decay_to_zero);
  RUN(denormal_parameters_count_as_zeros);
  RUN(denormal_inputs_count_as_zeros);
  RUN(denormal_states_count_as_zeros);
  RUN(operands_and_results_are_flushed);
  RUN(workers_flush_as_well);
  RUN(updates_leave_no_denormals);
  return check_finish();
}
