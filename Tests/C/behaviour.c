/*
 * behaviour.c — what the library promises, seen from C: running and streaming
 */
#include "behaviour.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the task
 * ------------------------------------------------------------------------------------- */

void make_task(task *t, uint32_t seed) {
  uint32_t shift = seed;
  for (int i = 0; i < N; i++) {
    t->lengths[i] = 1 + (i + (int)shift) % STEPS;
    for (int s = 0; s < STEPS; s++)
      t->ids[i][s] = (int32_t)((seed = seed * 1664525u + 1013904223u) >> 16) % 9;
    t->classes[i] = t->ids[i][t->lengths[i] - 1] % 3;
  }
  t->x = IDS(t->ids, N, STEPS);
  t->x.lengths = t->lengths;
  t->y = IDS(t->classes, N);
  t->data = (refrain_dataset){.struct_size = sizeof t->data,
                              .inputs = &t->x,
                              .input_count = 1,
                              .targets = &t->y,
                              .target_count = 1};
}

const char *const classifier =
    "Embedding(9, 6) -> LSTM(20, dropout=0.2, recurrent_dropout=0.2) -> Dense(3, "
    "activation=softmax)";

void parameters_of(refrain_model *model, float *values, int64_t *count) {
  int64_t parameters;
  CHECK_OK(refrain_model_parameter_counts(model, &parameters, count));
  for (int64_t i = 0; i < parameters; i++) {
    char name[64];
    float *data;
    int64_t size;
    CHECK_OK(refrain_model_parameter(model, i, name, sizeof name, NULL, NULL));
    CHECK_OK(refrain_model_parameter_data(model, name, &data, &size));
    memcpy(values, data, (size_t)size * sizeof *data);
    values += size;
  }
}

int same_bits(const float *a, const float *b, size_t count) {
  return memcmp(a, b, count * sizeof *a) == 0;
}

/* ---- running and streaming ---------------------------------------------------------------------
 */

static void a_stream_equals_a_run(void) {
  static const char *const models[] = {
      "Input(3) -> RNN(5)",
      "Input(3) -> LSTM(17)",
      "Input(3) -> GRU(16)",
      "Input(3) -> GRU(5, reset_after=false)",
      "Input(3) -> LSTM(8, return_sequences=true) -> GRU(5)",
      "Input(3) -> Dense(6, activation=relu) -> LayerNorm -> LSTM(4) -> Dense(5, "
      "activation=softmax)",
      "Input(3) -> LSTM(6, return_sequences=true) -> Pooling(mean) -> Dense(5)",
      "Input(3) -> LSTM(6, return_sequences=true) -> Pooling(max)",
      "Input(3) -> LSTM(6, return_sequences=true) -> Pooling(last)",
      "x = Input(3)\ns = x -> GRU(4, return_sequences=true)\n[x, s] -> Concat -> LSTM(3)"};
  enum { LANES = 3, T = 6 };
  for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
    refrain_model *model = make_model(models[m], 7);
    refrain_tensor shape = {.struct_size = sizeof shape};
    CHECK_OK(refrain_model_output(model, 0, &shape));
    int64_t size = shape.shape[1];
    float x[LANES][T][3], whole[LANES * 32], y[LANES * 32], frame[LANES][3];
    fill_random(&x[0][0][0], sizeof x / sizeof(float), (uint32_t)m);
    char options[32];
    snprintf(options, sizeof options, "lanes=%d", LANES);
    refrain_session *session = make_session(model, options);
    for (int round = 0; round < 2; round++) {
      for (int t = 0; t < T; t++) {
        for (int lane = 0; lane < LANES; lane++)
          memcpy(frame[lane], x[lane][t], sizeof frame[lane]);
        CHECK_OK(refrain_session_step(session, &frame[0][0], y));
        float prefix[LANES][T][3];
        for (int lane = 0; lane < LANES; lane++)
          memcpy(&((float *)prefix)[lane * (t + 1) * 3], x[lane],
                 (size_t)(t + 1) * 3 * sizeof(float));
        refrain_tensor in = FLOATS(prefix, LANES, t + 1, 3);
        refrain_tensor out = FLOATS(whole, LANES, size);
        CHECK_OK(refrain_session_run(session, &in, 1, &out, 1));
        for (int64_t i = 0; i < LANES * size; i++)
          CHECK_SAYING(fabsf(whole[i] - y[i]) < 1e-5f, "%s, timestep %d: %g and %g", models[m], t,
                       whole[i], y[i]);
      }
      CHECK_OK(refrain_session_reset(session, REFRAIN_ALL_LANES));
    }
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

static void lanes_are_reset_cloned_and_stored(void) {
  refrain_model *model = make_model("Input(2) -> LSTM(4, return_sequences=true) -> GRU(3)", 7);
  refrain_session *two = make_session(model, "lanes=2"), *one = make_session(model, "");
  float x[4] = {0.5f, -1, 2, 0.25f}, y[6], first[3], second[3];
  CHECK_OK(refrain_session_step(two, x, y));
  memcpy(second, y + 3, sizeof second);
  CHECK_OK(refrain_session_step(two, x, y));
  CHECK_OK(refrain_session_reset(two, 1));
  refrain_session *clone = NULL;
  CHECK_OK(refrain_session_clone(two, &clone));
  int64_t size = 0;
  REFUSED(REFRAIN_CAPACITY, "bytes", refrain_session_save_state(two, NULL, 0, &size));
  char *state = malloc((size_t)size);
  CHECK_OK(refrain_session_save_state(two, state, size, &size));
  CHECK_OK(refrain_session_step(two, x, y));
  CHECK_SAYING(same_bits(y + 3, second, 3), "a reset lane did not start anew");
  for (int i = 0; i < 3; i++) CHECK_OK(refrain_session_step(one, x, first));
  CHECK_SAYING(same_bits(y, first, 3), "resetting one lane changed the other");

  float again[6];
  CHECK_OK(refrain_session_step(clone, x, again));
  CHECK_SAYING(same_bits(again, y, 6), "a clone went another way");
  CHECK_OK(refrain_session_load_state(clone, state, size));
  CHECK_OK(refrain_session_step(clone, x, again));
  CHECK_SAYING(same_bits(again, y, 6), "a loaded state went another way");
  REFUSED(REFRAIN_FORMAT, "shape", refrain_session_load_state(one, state, size));
  refrain_model *other = make_model("Input(2) -> GRU(3)", 7);
  refrain_session *stranger = make_session(other, "lanes=2");
  REFUSED(REFRAIN_FORMAT, "another model", refrain_session_load_state(stranger, state, size));
  state[size / 2] ^= 1;
  state[9] ^= 1;
  CHECK_SAYING(refrain_session_load_state(clone, state, size) != REFRAIN_OK,
               "a damaged state was taken");
  free(state);
  refrain_session_release(stranger);
  refrain_session_release(clone);
  refrain_session_release(one);
  refrain_session_release(two);
  refrain_model_release(other);
  refrain_model_release(model);
}

static void nothing_beyond_a_length_matters(void) {
  static const char *const models[] = {
      "Input(3) -> Bidirectional(LSTM(5, return_sequences=true)) -> LayerNorm -> GRU(4)",
      "Input(3) -> RNN(4, return_sequences=true, go_backwards=true) -> Pooling(mean)",
      "Input(3) -> GRU(4, return_sequences=true) -> Pooling(max)",
      "Input(3) -> Dense(4) -> LSTM(4)"};
  enum { B = 9, T = 7 };
  for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
    refrain_model *model = make_model(models[m], 7);
    refrain_session *session = make_session(model, "threads=2");
    float x[B][T][3], y[B][4], alone[4];
    int64_t lengths[B];
    fill_random(&x[0][0][0], sizeof x / sizeof(float), 5);
    for (int b = 0; b < B; b++) {
      lengths[b] = b % (T + 1);
      for (int64_t t = lengths[b]; t < T; t++)
        for (int f = 0; f < 3; f++) x[b][t][f] = t % 2 ? NAN : 1e30f;
    }
    refrain_tensor in = FLOATS(x, B, T, 3), out = FLOATS(y, B, 4);
    in.lengths = lengths;
    CHECK_OK(refrain_session_run(session, &in, 1, &out, 1));
    for (int b = 0; b < B; b++) {
      if (lengths[b] == 0) {
        for (int i = 0; i < 4; i++)
          CHECK_SAYING(isfinite(y[b][i]), "%s: length 0 gave %g", models[m], y[b][i]);
        continue;
      }
      refrain_tensor row = FLOATS(x[b], 1, lengths[b], 3);
      refrain_tensor result = FLOATS(alone, 1, 4);
      CHECK_OK(refrain_session_run(session, &row, 1, &result, 1));
      for (int i = 0; i < 4; i++)
        CHECK_SAYING(fabsf(alone[i] - y[b][i]) < 1e-5f, "%s, row %d: %g, alone %g", models[m], b,
                     y[b][i], alone[i]);
    }
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* More lanes than any shard has rows: their bookkeeping must have room. */
static void many_lanes_step_together(void) {
  enum { LANES = 3000, H = 5 };
  static float x[LANES][2], y[LANES][H], whole[LANES][H];
  fill_random(&x[0][0], LANES * 2, 11);
  refrain_model *model = make_model("Input(2) -> LSTM(4, return_sequences=true) -> GRU(5)", 7);
  refrain_session *session = make_session(model, "lanes=3000");
  refrain_tensor in = FLOATS(x, LANES, 1, 2), out = FLOATS(whole, LANES, H);
  for (int round = 0; round < 2; round++) {
    CHECK_OK(refrain_session_reset(session, REFRAIN_ALL_LANES));
    CHECK_OK(refrain_session_step(session, &x[0][0], &y[0][0]));
    CHECK_OK(refrain_session_run(session, &in, 1, &out, 1));
    for (int i = 0; i < LANES * H; i++)
      CHECK_SAYING(fabsf((&y[0][0])[i] - (&whole[0][0])[i]) < 1e-5f, "lane %d", i / H);
  }
  refrain_session_release(session);
  refrain_model_release(model);
}

int main(int argc, char **argv) {
  check_start(argc, argv, 300);
  behaviour_in_a_process(); /* first: it counts threads */
  RUN(a_stream_equals_a_run);
  RUN(lanes_are_reset_cloned_and_stored);
  RUN(nothing_beyond_a_length_matters);
  RUN(many_lanes_step_together);
  behaviour_of_models();
  behaviour_of_training();
  behaviour_of_generation();
  behaviour_at_the_edges();
  return check_finish();
}
