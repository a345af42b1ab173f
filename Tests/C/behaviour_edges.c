/*
 * behaviour_edges.c — the smallest shapes, masks, structs of newer callers, and whose memory is
 * whose
 */
#define _GNU_SOURCE
#include "behaviour.h"

#include <malloc.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- streams ------------------------------------------------------------------------------------
 */

static void streams_of_ids_equal_runs(void) {
  static const char *const models[] = {
      "Embedding(9, 5) -> LSTM(7)",
      "Embedding(9, 5) -> GRU(6, return_sequences=true) -> RNN(7)",
      "Embedding(9, 5) -> Bidirectional(GRU(4)) -> Dense(7)",
      "Embedding(9, 5, mask_zero=true) -> LSTM(7)",
      "Embedding(9, 5) -> LSTM(4, return_sequences=true) -> Pooling(mean) -> Dense(7, "
      "activation=softmax)",
  };
  enum { LANES = 2, LENGTH = 5, SIZE = 7 };
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 3);
    refrain_session *session = make_session(model, "lanes=2");
    int32_t ids[LANES][LENGTH];
    fill_ids(&ids[0][0], LANES * LENGTH, 9, 11);
    ids[0][2] = 0;
    for (int t = 0; t < LENGTH; t++) {
      int32_t step[LANES] = {ids[0][t], ids[1][t]}, prefix[LANES * LENGTH];
      float y[LANES * SIZE], expected[LANES * SIZE];
      refrain_status status = refrain_session_step_ids(session, step, y);
      if (strstr(models[m], "Bidirectional")) {
        CHECK_EQUAL(status, REFRAIN_UNSUPPORTED);
        break;
      }
      CHECK_EQUAL(status, REFRAIN_OK);
      for (int lane = 0; lane < LANES; lane++) {
        memcpy(prefix + lane * (t + 1), ids[lane], (size_t)(t + 1) * sizeof prefix[0]);
      }
      run_batch(session, IDS(prefix, LANES, t + 1), FLOATS(expected, LANES, SIZE));
      CHECK_NEAR(y, expected, LANES * SIZE, 2e-6);
    }
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* Every timestep of a sequence that comes out is what the stream gives at that timestep. */
static void sequences_equal_streams_at_every_timestep(void) {
  enum { T = 9, F = 3, H = 5 };
  static const char *const models[] = {
      "Input(3) -> RNN(5, return_sequences=true)",
      "Input(3) -> LSTM(5, return_sequences=true)",
      "Input(3) -> GRU(5, return_sequences=true)",
      "Input(3) -> LSTM(4, return_sequences=true) -> GRU(5, return_sequences=true)",
      "Input(3) -> GRU(4, return_sequences=true) -> Dense(5, activation=tanh)",
  };
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 5);
    refrain_session *session = make_session(model, "");
    float x[T][F], whole[T][H], y[H];
    fill_random(&x[0][0], T * F, 6);
    run_batch(session, FLOATS(x, 1, T, F), FLOATS(whole, 1, T, H));
    for (int t = 0; t < T; t++) {
      CHECK_OK(refrain_session_step(session, x[t], y));
      CHECK_NEAR(y, whole[t], H, 2e-6);
    }
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

static void one_sequence_of_one_timestep(void) {
  static const char *const models[] = {"Input(1) -> LSTM(1)", "Input(1) -> GRU(1)",
                                       "Input(1) -> RNN(1)",
                                       "Input(1) -> Bidirectional(LSTM(1)) -> Dense(1)"};
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 2);
    refrain_session *session = make_session(model, "threads=3");
    refrain_trainer *trainer = make_trainer(model, "loss=mse, threads=2");
    float x = 0.5f, y = NAN, dx = NAN;
    refrain_tensor in = FLOATS(&x, 1, 1, 1), out = FLOATS(&y, 1, 1),
                   gradient = FLOATS(&dx, 1, 1, 1);
    double loss = NAN;
    run_batch(session, in, out);
    CHECK(isfinite(y));
    CHECK_OK(refrain_trainer_forward(trainer, &in, 1, NULL, 0));
    y += 1;
    CHECK_OK(refrain_trainer_backward_loss(trainer, &out, 1, NULL, &loss, &gradient, 1));
    CHECK(fabs(loss - 1) < 1e-5 && isfinite(dx));
    CHECK_OK(refrain_trainer_update(trainer, NULL));
    refrain_trainer_release(trainer);
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* ---- masks and lengths --------------------------------------------------------------------------
 */

static void masks_of_prefixes_equal_lengths(void) {
  enum { B = 3, T = 4, F = 3, C = 2 };
  static const char *const models[] = {
      "Input(3) -> LSTM(4) -> Dense(2)",
      "Input(3) -> GRU(4, return_sequences=true) -> Pooling(mean) -> Dense(2)",
      "Input(3) -> Bidirectional(RNN(4)) -> Dense(2)"};
  int64_t lengths[B] = {4, 2, 1};
  uint8_t mask[B][T] = {{1, 1, 1, 1}, {1, 1, 0, 0}, {1, 0, 0, 0}};
  float x[B][T][F], by_length[B * C], by_mask[B * C];
  fill_random(&x[0][0][0], B * T * F, 4);
  x[1][2][0] = x[2][3][2] = NAN;
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 1);
    refrain_session *session = make_session(model, "");
    refrain_tensor in = FLOATS(x, B, T, F);
    in.lengths = lengths;
    run_batch(session, in, FLOATS(by_length, B, C));
    in.lengths = NULL;
    in.mask = &mask[0][0];
    run_batch(session, in, FLOATS(by_mask, B, C));
    CHECK_NEAR(by_mask, by_length, B * C, 2e-6);
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* A timestep in the middle that a mask skips might as well not be there. */
static void a_skipped_timestep_leaves_the_state(void) {
  enum { T = 4, F = 3, H = 4 };
  float x[T][F], without[T - 1][F], y[H], expected[H];
  uint8_t mask[T] = {1, 0, 1, 1};
  fill_random(&x[0][0], T * F, 4);
  memcpy(without[0], x[0], sizeof x[0]);
  memcpy(without[1], x[2], 2 * sizeof x[0]);
  x[1][1] = INFINITY;
  refrain_model *model = make_model("Input(3) -> LSTM(4)", 1);
  refrain_session *session = make_session(model, "");
  refrain_tensor in = FLOATS(x, 1, T, F);
  in.mask = mask;
  run_batch(session, in, FLOATS(y, 1, H));
  run_batch(session, FLOATS(without, 1, T - 1, F), FLOATS(expected, 1, H));
  CHECK_NEAR(y, expected, H, 1e-6);
  refrain_session_release(session);
  refrain_model_release(model);
}

/* What lies beyond a length changes no gradient and no training. */
static void nothing_beyond_a_length_is_learned(void) {
  enum { B = 6, T = 5, F = 3 };
  static float x[2][B][T][F], dx[2][B][T][F];
  int64_t lengths[B] = {5, 0, 3, 1, 4, 2};
  int32_t classes[B] = {0, 1, 1, 0, 1, 0};
  refrain_model *models[2];
  fill_random(&x[0][0][0][0], B * T * F, 8);
  memcpy(x[1], x[0], sizeof x[0]);
  for (int b = 0; b < B; b++) {
    for (int64_t t = lengths[b]; t < T; t++) x[1][b][t][t % F] = t % 2 ? NAN : INFINITY;
  }
  for (int i = 0; i < 2; i++) {
    models[i] = make_model(
        "Input(3) -> Bidirectional(GRU(4, return_sequences=true)) -> LSTM(4)"
        " -> Dense(2, activation=softmax)",
        1);
    refrain_trainer *trainer = make_trainer(models[i], "loss=crossentropy, optimizer=Adam(0.01)");
    refrain_tensor in = FLOATS(x[i], B, T, F), target = IDS(classes, B),
                   gradient = FLOATS(dx[i], B, T, F);
    in.lengths = lengths;
    refrain_dataset data = make_dataset(&in, &target);
    CHECK_OK(refrain_trainer_forward(trainer, &in, 1, NULL, 0));
    CHECK_OK(refrain_trainer_backward_loss(trainer, &target, 1, NULL, NULL, &gradient, 1));
    CHECK_OK(refrain_trainer_update(trainer, NULL));
    CHECK_OK(refrain_trainer_fit(trainer, &data, &data, "epochs=3, batch_size=4", NULL, NULL));
    refrain_trainer_release(trainer);
  }
  CHECK(same_parameters(models[0], models[1]));
  CHECK_SAME(&dx[1][0][0][0], &dx[0][0][0][0], B * T * F);
  for (int b = 0; b < B; b++) {
    for (int64_t t = lengths[b]; t < T; t++) CHECK_EQUAL(dx[0][b][t][0] != 0, 0);
  }
  refrain_model_release(models[0]);
  refrain_model_release(models[1]);
}

/* A session takes rows in the order of their lengths; each must come back to its own place. */
static void rows_of_all_lengths_keep_their_places(void) {
  enum { B = 37, T = 11, H = 5 };
  static float x[B][T][3], sequence[B][T][H], last[B][4], alone[T][H], end[4], zeros[T][H];
  static int64_t lengths[B];
  fill_random(&x[0][0][0], B * T * 3, 5);
  for (int b = 0; b < B; b++) lengths[b] = b * 7 % (T + 1);
  for (int threads = 1; threads <= 2; threads++) {
    refrain_model *model = make_model(
        "x = Input(3)\ns = x -> GRU(5, return_sequences=true)\ny = s -> LSTM(4)\n[s, y]", 7);
    refrain_session *session = make_session(model, threads == 1 ? "" : "threads=2");
    refrain_tensor in = FLOATS(x, B, T, 3);
    refrain_tensor out[2] = {FLOATS(sequence, B, T, H), FLOATS(last, B, 4)};
    in.lengths = lengths;
    memset(sequence, 0xFF, sizeof sequence);
    memset(last, 0xFF, sizeof last);
    CHECK_OK(refrain_session_run(session, &in, 1, out, 2));
    for (int b = 0; b < B; b++) {
      refrain_tensor row = FLOATS(x[b], 1, T, 3);
      refrain_tensor result[2] = {FLOATS(alone, 1, T, H), FLOATS(end, 1, 4)};
      row.lengths = &lengths[b];
      CHECK_OK(refrain_session_run(session, &row, 1, result, 2));
      CHECK_NEAR(&sequence[b][0][0], &alone[0][0], T * H, 1e-6);
      CHECK_NEAR(last[b], end, 4, 1e-6);
      CHECK_SAME(sequence[b][lengths[b]], &zeros[0][0], (T - lengths[b]) * H);
    }
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* Arrays of a call that is refused take no one's place. */
static void a_refused_forward_leaves_the_one_before(void) {
  enum { B = 5, T = 4 };
  static float x[B][T][3], wide[B][T][4], y[B][2], dx[2][B][T][3];
  refrain_model *model = make_model("Input(3) -> LSTM(2)", 7);
  refrain_trainer *trainer = make_trainer(model, "loss=mse");
  fill_random(&x[0][0][0], B * T * 3, 5);
  refrain_tensor in = FLOATS(x, B, T, 3), out = FLOATS(y, B, 2), wrong = FLOATS(wide, B, T, 4);
  refrain_tensor empty = FLOATS(x, 0, T, 3), few = FLOATS(x, 2, T, 3);
  double loss[2];
  for (int i = 0; i < 2; i++) {
    refrain_tensor gradient = FLOATS(dx[i], B, T, 3);
    CHECK_OK(refrain_trainer_forward(trainer, &in, 1, NULL, 0));
    if (i == 1) {
      REFUSED(REFRAIN_SHAPE, "inputs", refrain_trainer_forward(trainer, &wrong, 1, NULL, 0));
      REFUSED(REFRAIN_ARGUMENT, "inputs", refrain_trainer_forward(trainer, &empty, 1, NULL, 0));
      REFUSED(REFRAIN_SHAPE, "outputs", refrain_trainer_forward(trainer, &few, 1, &wrong, 1));
    }
    CHECK_OK(refrain_trainer_backward_loss(trainer, &out, 1, NULL, &loss[i], &gradient, 1));
  }
  CHECK(loss[0] == loss[1]);
  CHECK_SAME(&dx[1][0][0][0], &dx[0][0][0][0], B * T * 3);
  refrain_trainer_release(trainer);
  refrain_model_release(model);
}

/* ---- the caller's memory ------------------------------------------------------------------------
 */

/* Arrays are read during the call only: the caller may overwrite and free them before going on. */
static void inputs_may_be_freed_after_forward(void) {
  static const char *const models[] = {
      "Embedding(9, 6, mask_zero=true) -> LSTM(5) -> Dense(3, activation=softmax)",
      "Embedding(9, 6) -> Bidirectional(GRU(5, return_sequences=true)) -> Pooling(mean) -> "
      "Dense(3)",
      "Embedding(9, 6) -> GRU(5, return_sequences=true) -> Dense(3)"}; /* a target for every
                                                                          timestep */
  static int32_t tags[N * STEPS];
  fill_ids(tags, N * STEPS, 3, 9);
  task *t = malloc(sizeof *t);
  REQUIRE(t != NULL);
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model[2];
    for (int freed = 0; freed < 2; freed++) {
      model[freed] = make_model(models[m], 1);
      refrain_trainer *trainer =
          make_trainer(model[freed], "loss=crossentropy, optimizer=SGD(0.5)");
      make_task(t, 3);
      int32_t *ids = malloc(sizeof t->ids);
      int64_t *lengths = malloc(sizeof t->lengths);
      REQUIRE(ids && lengths);
      memcpy(ids, t->ids, sizeof t->ids);
      memcpy(lengths, t->lengths, sizeof t->lengths);
      /* No class at all, where the lengths that were given say that nothing is read. */
      for (int row = 0; row < N; row++)
        for (int64_t s = lengths[row]; s < STEPS; s++) tags[row * STEPS + s] = 99;
      refrain_tensor x = IDS(ids, N, STEPS);
      x.lengths = lengths;
      CHECK_OK(refrain_trainer_forward(trainer, &x, 1, NULL, 0));
      memset(&x, 0x77, sizeof x);
      if (freed) {
        for (int i = 0; i < N; i++) lengths[i] = INT64_MAX;
        memset(ids, 0x7F, sizeof t->ids);
        free(lengths);
        free(ids);
      }
      refrain_tensor y = m == 2 ? IDS(tags, N, STEPS) : t->y;
      CHECK_OK(refrain_trainer_backward_loss(trainer, &y, 1, NULL, NULL, NULL, 0));
      CHECK_OK(refrain_trainer_update(trainer, NULL));
      if (!freed) free(lengths), free(ids);
      refrain_trainer_release(trainer);
    }
    CHECK(same_parameters(model[0], model[1]));
    refrain_model_release(model[0]);
    refrain_model_release(model[1]);
  }
  free(t);
}

/* Structs may grow at the end: what a newer caller adds is skipped, and its stride is obeyed. */
static void larger_structs_of_newer_callers(void) {
  typedef struct {
    refrain_tensor tensor;
    int64_t added[2];
  } newer_tensor;
  float a[2 * 2 * 3], b[2 * 2 * 3], y[2 * 2], expected[2 * 2];
  fill_random(a, COUNT_OF(a), 1);
  fill_random(b, COUNT_OF(b), 2);
  refrain_model *model =
      make_model("a = Input(3)\nb = Input(3)\n[a, b] -> Concat -> GRU(4) -> Dense(2)", 1);
  refrain_session *session = make_session(model, "");
  refrain_tensor plain[] = {FLOATS(a, 2, 2, 3), FLOATS(b, 2, 2, 3)}, out = FLOATS(expected, 2, 2);
  newer_tensor newer[] = {{FLOATS(a, 2, 2, 3), {-1, -1}}, {FLOATS(b, 2, 2, 3), {-1, -1}}};
  newer[0].tensor.struct_size = newer[1].tensor.struct_size = sizeof newer[0];
  CHECK_OK(refrain_session_run(session, plain, 2, &out, 1));
  out.data = y;
  CHECK_OK(refrain_session_run(session, &newer[0].tensor, 2, &out, 1));
  CHECK_SAME(y, expected, 4);
  newer_tensor description = {.tensor.struct_size = sizeof description, .added = {7, 7}};
  CHECK_OK(refrain_model_input(model, 1, &description.tensor));
  CHECK_EQUAL(description.tensor.rank, 3);
  CHECK_EQUAL(description.tensor.shape[0], -1);
  CHECK_EQUAL(description.tensor.shape[2], 3);
  CHECK_EQUAL(description.tensor.struct_size, sizeof description);
  CHECK_EQUAL(description.added[0] + description.added[1], 14);
  refrain_session_release(session);
  refrain_model_release(model);
}

/* ---- lifetimes ----------------------------------------------------------------------------------
 */

static void owners_are_counted(void) {
  refrain_model *model = make_model("Input(3) -> GRU(2)", 1);
  for (int i = 0; i < 5; i++) CHECK_OK(refrain_model_retain(model));
  for (int i = 0; i < 5; i++) {
    refrain_model_release(model);
    CHECK_OK(refrain_model_parameters_changed(model));
  }
  refrain_model_release(model);
  CHECK_EQUAL(refrain_model_parameters_changed(model), REFRAIN_HANDLE);
}

static void sessions_and_trainers_keep_their_model(void) {
  task t;
  make_task(&t, 2);
  refrain_model *model = make_model(classifier, 1);
  refrain_trainer *trainer = make_trainer(model, "loss=crossentropy");
  refrain_session *session = make_session(model, "");
  refrain_model_release(model);
  float y[N * 3];
  CHECK_OK(refrain_trainer_fit(trainer, &t.data, NULL, "", NULL, NULL));
  run_batch(session, t.x, FLOATS(y, N, 3));
  refrain_trainer_release(trainer);
  run_batch(session, t.x, FLOATS(y, N, 3));
  refrain_session_release(session);
}

/* Everything once: made, used, refused and released. */
static void one_round(task *t) {
  char path[512];
  float y[N * 3];
  snprintf(path, sizeof path, "%s", temporary_path("round"));
  refrain_model *model = make_model(classifier, 1), *loaded = NULL;
  refrain_trainer *trainer =
      make_trainer(model, "loss=crossentropy, optimizer=Adam(0.01), threads=2");
  refrain_session *session = make_session(model, "lanes=2, threads=2"), *clone = NULL;
  refrain_metrics *metrics = NULL;
  refrain_tokenizer *tokenizer = NULL;
  CHECK_OK(refrain_trainer_fit(trainer, &t->data, &t->data, "batch_size=16, restore_best=true",
                               NULL, NULL));
  CHECK_EQUAL(refrain_trainer_fit(trainer, &t->data, NULL, "epoch=1", NULL, NULL),
              REFRAIN_NOTATION);
  run_batch(session, t->x, FLOATS(y, N, 3));
  CHECK_OK(refrain_session_step_ids(session, t->ids[0], y));
  CHECK_OK(refrain_session_clone(session, &clone));
  CHECK_OK(refrain_session_evaluate(session, &t->data, "loss=crossentropy", &metrics));
  CHECK_OK(refrain_tokenizer_create("", &tokenizer));
  CHECK_OK(refrain_tokenizer_fit(tokenizer, (const char *[]){"a good film"}, 1));
  CHECK_OK(refrain_model_set_tokenizer(model, tokenizer));
  CHECK_OK(refrain_model_save(model, path));
  CHECK_OK(refrain_model_load(path, &loaded));
  CHECK_OK(refrain_trainer_save(trainer, path));
  CHECK_EQUAL(refrain_model_load(path, &loaded), REFRAIN_FORMAT);
  CHECK_OK(refrain_trainer_load(trainer, path));
  remove(path);
  refrain_tokenizer_release(tokenizer);
  refrain_metrics_release(metrics);
  refrain_session_release(clone);
  refrain_session_release(session);
  refrain_trainer_release(trainer);
  refrain_model_release(loaded);
  refrain_model_release(model);
}

/*
 * Swift hides references from searches for leaks, in bits of the pointer; that the heap stops
 * growing is what can be seen from outside. Large blocks are mapped one by one, so both counts are
 * taken.
 */
static void rounds_leave_no_memory_behind(void) {
  enum { ROUNDS = 100 };
  task t;
  make_task(&t, 2);
  one_round(&t);
#if defined(__SANITIZE_ADDRESS__)
  check_skip("memory left behind", "the address sanitizer has an allocator of its own");
#else
  for (int i = 0; i < ROUNDS; i++) one_round(&t); /* until the allocator has settled */
  struct mallinfo2 before = mallinfo2();
  for (int i = 0; i < ROUNDS; i++) one_round(&t);
  struct mallinfo2 after = mallinfo2();
  double grown = (double)after.uordblks + (double)after.hblkhd - (double)before.uordblks -
                 (double)before.hblkhd;
  CHECK_SAYING(grown < 64.0 * ROUNDS, "%g bytes a round", grown / ROUNDS);
#endif
}

static void *make_and_release(void *unused) {
  (void)unused;
  int64_t failures = 0;
  for (int i = 0; i < 300; i++) {
    refrain_model *model = NULL;
    refrain_session *session = NULL;
    float x[3] = {1, 2, 3}, y[2];
    failures += refrain_model_create("Input(3) -> GRU(2)", 1, &model) != REFRAIN_OK;
    failures += refrain_session_create(model, "", &session) != REFRAIN_OK;
    refrain_model_release(model);
    failures += refrain_session_step(session, x, y) != REFRAIN_OK;
    failures += refrain_model_parameters_changed(model) != REFRAIN_HANDLE;
    refrain_session_release(session);
    failures += refrain_session_reset(session, 0) != REFRAIN_HANDLE;
  }
  return (void *)(intptr_t)failures;
}

static void threads_make_and_release_at_once(void) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++)
    REQUIRE(pthread_create(&threads[i], NULL, make_and_release, NULL) == 0);
  for (int i = 0; i < 4; i++) {
    void *failures = NULL;
    REQUIRE(pthread_join(threads[i], &failures) == 0);
    CHECK_EQUAL((intptr_t)failures, 0);
  }
}

/* A progress callback may read the model and save the trainer; other objects are its own affair. */
typedef struct {
  refrain_trainer *trainer;
  refrain_model *model;
  char path[512];
  int saved;
} busy;

static int work_in_callback(void *user, const refrain_progress *progress) {
  busy *b = user;
  static float values[CLASSIFIER_NUMBERS];
  int64_t count = 0;
  if (progress->event != REFRAIN_BATCH_END || progress->updates != 5) return 0;
  parameters_of(b->model, values, &count);
  CHECK_OK(refrain_trainer_save(b->trainer, b->path));
  refrain_model *other = make_model("Input(3) -> GRU(2)", 1);
  refrain_model_release(other);
  b->saved++;
  return 0;
}

static void checkpoints_from_callbacks_resume(void) {
  task t;
  make_task(&t, 2);
  const char *options =
      "loss=crossentropy, optimizer=Adam(0.01), schedule=Step(1, gamma=0.5), seed=4";
  refrain_model *model = make_model(classifier, 1), *other = make_model(classifier, 99);
  busy b = {make_trainer(model, options), model, "", 0};
  refrain_trainer *resumed = make_trainer(other, options);
  snprintf(b.path, sizeof b.path, "%s", temporary_path("checkpoint"));
  CHECK_OK(refrain_trainer_fit(b.trainer, &t.data, &t.data, "epochs=3, batch_size=8, accumulate=2",
                               work_in_callback, &b));
  CHECK_EQUAL(b.saved > 0, 1);
  CHECK_OK(refrain_trainer_load(resumed, b.path));
  CHECK_OK(refrain_trainer_fit(resumed, &t.data, &t.data,
                               "epochs=3, batch_size=8, accumulate=2, resume=true", NULL, NULL));
  CHECK(same_parameters(model, other));
  int64_t updates[2] = {0, 1};
  CHECK_OK(refrain_trainer_updates(b.trainer, &updates[0]));
  CHECK_OK(refrain_trainer_updates(resumed, &updates[1]));
  CHECK_EQUAL(updates[1], updates[0]);
  remove(b.path);
  refrain_trainer_release(b.trainer);
  refrain_trainer_release(resumed);
  refrain_model_release(model);
  refrain_model_release(other);
}

void behaviour_at_the_edges(void) {
  RUN(streams_of_ids_equal_runs);
  RUN(sequences_equal_streams_at_every_timestep);
  RUN(one_sequence_of_one_timestep);
  RUN(masks_of_prefixes_equal_lengths);
  RUN(a_skipped_timestep_leaves_the_state);
  RUN(nothing_beyond_a_length_is_learned);
  RUN(rows_of_all_lengths_keep_their_places);
  RUN(a_refused_forward_leaves_the_one_before);
  RUN(inputs_may_be_freed_after_forward);
  RUN(larger_structs_of_newer_callers);
  RUN(owners_are_counted);
  RUN(sessions_and_trainers_keep_their_model);
  RUN(rounds_leave_no_memory_behind);
  RUN(threads_make_and_release_at_once);
  RUN(checkpoints_from_callbacks_resume);
}
