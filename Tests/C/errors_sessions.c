/*
 * errors_sessions.c — wrong arguments of refrain_session_*, and of refrain_trainer_forward(), which
 * takes the same arrays
 */
#include "errors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A call that would succeed; tests change one thing in it. */
struct call {
  refrain_tensor inputs[3], outputs[3];
  int64_t input_count, output_count;
  int64_t lengths[BATCH];
};

static struct call valid_call(void) {
  struct call call;
  memset(&call, 0, sizeof call);
  for (int i = 0; i < 3; i++) {
    call.inputs[i] = world.input;
    call.outputs[i] = FLOATS(scratch.y, BATCH, CLASSES);
  }
  call.input_count = call.output_count = 1;
  for (int row = 0; row < BATCH; row++) call.lengths[row] = TIMESTEPS;
  return call;
}

enum way { RUN_SESSION, FORWARD_TRAINER, WAYS };

static refrain_status make_call(enum way way, struct call *call) {
  return way == RUN_SESSION
             ? refrain_session_run(world.session, call->inputs, call->input_count, call->outputs,
                                   call->output_count)
             : refrain_trainer_forward(world.trainer, call->inputs, call->input_count,
                                       call->outputs, call->output_count);
}

/* Both ways, with `change` made to the valid call. */
#define REFUSED_WITH(change, status, fragment)                                                   \
  do {                                                                                           \
    for (int way = 0; way < WAYS; way++) {                                                       \
      struct call call = valid_call();                                                           \
      change;                                                                                    \
      REFUSED_CASE(way == RUN_SESSION ? "run: " #change : "forward: " #change, status, fragment, \
                   make_call((enum way)way, &call));                                             \
    }                                                                                            \
  } while (0)

static void the_valid_call_succeeds(void) {
  begin();
  for (int way = 0; way < WAYS; way++) {
    struct call call = valid_call();
    CHECK_OK(make_call((enum way)way, &call));
    call.inputs[0].lengths = call.lengths;
    CHECK_OK(make_call((enum way)way, &call));
  }
}

static void counts_of_arrays(void) {
  begin();
  int status = EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT);
  REFUSED_WITH(call.input_count = 0, status, "inputs");
  REFUSED_WITH(call.input_count = 2, status, "inputs");
  REFUSED_WITH(call.input_count = -1, status, "inputs");
  REFUSED_WITH(call.input_count = INT64_MAX, status, "inputs");
  REFUSED_WITH(call.input_count = INT64_MIN, status, "inputs");
  REFUSED_WITH(call.output_count = 2, status, "outputs");
  REFUSED_WITH(call.output_count = -1, status, "outputs");
  REFUSED_WITH(call.output_count = INT64_MAX, status, "outputs");
  struct call call = valid_call();
  call.output_count = 0;
  REFUSED(status, "outputs", make_call(RUN_SESSION, &call));
}

static void structs_of_wrong_size(void) {
  begin();
  static const int64_t sizes[] = {0,  1,         8,         sizeof(refrain_tensor) - 8,
                                  -1, INT64_MIN, INT64_MAX, (int64_t)1 << 40};
  for (int64_t i = 0; i < COUNT_OF(sizes); i++) {
    REFUSED_WITH(call.inputs[0].struct_size = sizes[i], REFRAIN_ARGUMENT, "struct_size");
    REFUSED_WITH(call.outputs[0].struct_size = sizes[i], REFRAIN_ARGUMENT, "struct_size");
  }
}

static void types_and_ranks(void) {
  begin();
  int status = EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT);
  REFUSED_WITH(call.inputs[0].data = NULL, REFRAIN_NULL_POINTER, "inputs");
  REFUSED_WITH(call.outputs[0].data = NULL, REFRAIN_NULL_POINTER, "outputs");
  static const int32_t types[] = {0, 3, -1, INT32_MAX, INT32_MIN, REFRAIN_INT32};
  static const int32_t ranks[] = {0,         -1,       1, 4, REFRAIN_MAX_RANK, REFRAIN_MAX_RANK + 1,
                                  INT32_MAX, INT32_MIN};
  for (int64_t i = 0; i < COUNT_OF(types); i++) {
    REFUSED_WITH(call.inputs[0].type = types[i], status, "inputs");
    REFUSED_WITH(call.outputs[0].type = types[i], status, "outputs");
  }
  for (int64_t i = 0; i < COUNT_OF(ranks); i++) {
    REFUSED_WITH(call.inputs[0].rank = ranks[i], status, "inputs");
    REFUSED_WITH(call.outputs[0].rank = ranks[i], status, "outputs");
  }
  REFUSED_WITH(call.inputs[0].rank = 2, REFRAIN_SHAPE, "inputs");
  REFUSED_WITH(call.outputs[0].rank = 3, REFRAIN_SHAPE, "outputs");
}

static void sizes_that_do_not_fit(void) {
  begin();
  REFUSED_WITH(call.inputs[0].shape[2] = FEATURES + 1, REFRAIN_SHAPE, "inputs");
  REFUSED_WITH(call.inputs[0].shape[2] = FEATURES - 1, REFRAIN_SHAPE, "inputs");
  REFUSED_WITH(call.inputs[0].shape[2] = 0, REFRAIN_SHAPE, "inputs");
  REFUSED_WITH(call.inputs[0].shape[0] = BATCH + 1, REFRAIN_SHAPE, "outputs");
  REFUSED_WITH(call.outputs[0].shape[0] = BATCH - 1, REFRAIN_SHAPE, "outputs");
  REFUSED_WITH(call.outputs[0].shape[0] = 0, REFRAIN_SHAPE, "outputs");
  REFUSED_WITH(call.outputs[0].shape[1] = CLASSES + 1, REFRAIN_SHAPE, "outputs");
  REFUSED_WITH(call.outputs[0].shape[1] = 0, REFRAIN_SHAPE, "outputs");
}

static void negative_and_enormous_sizes(void) {
  begin();
  static const int64_t sizes[] = {-1,
                                  INT64_MIN,
                                  INT64_MAX,
                                  (int64_t)1 << 62,
                                  (int64_t)1 << 61,
                                  (int64_t)1 << 59,
                                  INT64_MAX / 3 + 1,
                                  INT64_MAX / 12 + 1};
  int status = EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT);
  for (int64_t i = 0; i < COUNT_OF(sizes); i++) {
    for (int axis = 0; axis < 3; axis++) {
      REFUSED_WITH(call.inputs[0].shape[axis] = sizes[i], status, "inputs");
    }
    for (int axis = 0; axis < 2; axis++) {
      REFUSED_WITH(call.outputs[0].shape[axis] = sizes[i], status, "outputs");
    }
    /* Sizes that agree with each other, and whose product wraps around. */
    REFUSED_WITH((call.inputs[0].shape[0] = call.outputs[0].shape[0] = sizes[i]), status, "puts");
  }
  REFUSED_WITH((call.inputs[0].shape[0] = call.outputs[0].shape[0] = (int64_t)1 << 32,
                call.inputs[0].shape[1] = (int64_t)1 << 32),
               status, "inputs");
}

/* More bytes than an address can tell apart: no caller can have them. */
static void sizes_beyond_the_address_space(void) {
  begin();
  REFUSED_WITH((call.inputs[0].shape[0] = call.outputs[0].shape[0] = (int64_t)1 << 52),
               EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT) | EITHER(REFRAIN_MEMORY, REFRAIN_ARGUMENT),
               "puts");
}

static void lengths_out_of_range(void) {
  begin();
  static const int64_t lengths[] = {-1, TIMESTEPS + 1, INT64_MAX, INT64_MIN, INT32_MAX};
  for (int64_t i = 0; i < COUNT_OF(lengths); i++) {
    REFUSED_WITH((call.lengths[1] = lengths[i], call.inputs[0].lengths = call.lengths),
                 REFRAIN_ARGUMENT, "lengths");
  }
}

static void empty_batches(void) {
  begin();
  check_unwatch();
  struct call call = valid_call();
  call.inputs[0].shape[0] = call.outputs[0].shape[0] = 0;
  check_watch(scratch.y, sizeof scratch.y);
  CHECK_OK(make_call(RUN_SESSION, &call));
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_SHAPE), "", make_call(FORWARD_TRAINER, &call));
}

/* A row may have length 0, but an array of no timesteps is a mistake. */
static void no_timesteps(void) {
  begin();
  REFUSED_WITH(call.inputs[0].shape[1] = 0, REFRAIN_ARGUMENT, "timesteps");
}

static void ids_out_of_range(void) {
  begin();
  static const int32_t wrong[] = {-1, VOCABULARY, INT32_MAX, INT32_MIN};
  refrain_trainer *trainer = make_trainer(world.ids_model, "");
  refrain_tensor y = FLOATS(scratch.y, BATCH, CLASSES);
  int64_t lengths[BATCH] = {TIMESTEPS - 1, TIMESTEPS};
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    int32_t ids[BATCH * TIMESTEPS] = {0};
    ids[TIMESTEPS - 1] = wrong[i];
    refrain_tensor x = IDS(ids, BATCH, TIMESTEPS);
    REFUSED(REFRAIN_ARGUMENT, "inputs", refrain_session_run(world.ids_session, &x, 1, &y, 1));
    REFUSED(REFRAIN_ARGUMENT, "inputs", refrain_trainer_forward(trainer, &x, 1, &y, 1));
    REFUSED(REFRAIN_ARGUMENT, "ids",
            refrain_session_step_ids(world.ids_session, ids + TIMESTEPS - 2, scratch.y));
    refrain_tensor step = IDS(ids + TIMESTEPS - 2, BATCH);
    REFUSED(REFRAIN_ARGUMENT, "inputs",
            refrain_session_step_tensors(world.ids_session, &step, 1, &y, 1));
    x.lengths = lengths; /* what lies beyond a length may be anything */
    float values[BATCH * CLASSES];
    refrain_tensor out = FLOATS(values, BATCH, CLASSES);
    CHECK_OK(refrain_session_run(world.ids_session, &x, 1, &out, 1));
  }
}

static void not_a_number_stays_in_its_row(void) {
  begin();
  check_unwatch();
  static const float wrong[] = {NAN, INFINITY, -INFINITY, 3e38f};
  float expected[BATCH * CLASSES], found[BATCH * CLASSES];
  run_batch(world.session, world.input, FLOATS(expected, BATCH, CLASSES));
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    float x[BATCH * TIMESTEPS * FEATURES];
    memcpy(x, world.x, sizeof x);
    x[FEATURES + 1] = wrong[i];
    run_batch(world.session, FLOATS(x, BATCH, TIMESTEPS, FEATURES), FLOATS(found, BATCH, CLASSES));
    CHECK_SAME(found + CLASSES, expected + CLASSES, CLASSES);
    if (isnan(wrong[i])) CHECK(isnan(found[0]));
  }
}

static void options_of_sessions(void) {
  begin();
  static const struct {
    const char *options, *fragment;
  } wrong[] = {
      {"threads=0", "threads"},
      {"threads=-1", "threads"},
      {"threads=257", "threads"},
      {"threads=none", "threads"},
      {"lanes=0", "lanes"},
      {"lanes=-1", "lanes"},
      {"lanes=1.5", "lanes"},
      {"lanes=99999999999999999999", "column"},
      {"lanes=9223372036854775807", "lanes"},
      {"thread=1", "'threads'"},
      {"lane=1", "'lanes'"},
      {"threads", "column"},
      {"threads=1,, lanes=1", "column"},
      {"threads=1 lanes=1", "column"},
      {"lanes=1, lanes=2", "lanes"},
      {"=", "column"},
      {"threads=", "column"},
      {"LSTM(4)", "column"},
  };
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED_CASE(
        wrong[i].options, EITHER(REFRAIN_NOTATION, REFRAIN_ARGUMENT), wrong[i].fragment,
        refrain_session_create(world.model, wrong[i].options, (refrain_session **)&scratch.handle));
  }
  refrain_model *wide = make_model("Input(3) -> LSTM(256)", 1);
  refrain_session *session = NULL;
  refrain_status status = refrain_session_create(wide, "lanes=2147483647", &session);
  CHECK(status == REFRAIN_OK || status == REFRAIN_MEMORY);
  if (status == REFRAIN_OK) {
    REFUSED(REFRAIN_MEMORY, "",
            refrain_session_save_state(session, scratch.text, sizeof scratch.text, &scratch.size));
  }
}

static void steps(void) {
  begin();
  refrain_session *ids = world.ids_session, *floats = world.session;
  REFUSED(REFRAIN_SHAPE, "int32", refrain_session_step(ids, world.x, scratch.y));
  REFUSED(REFRAIN_SHAPE, "float32", refrain_session_step_ids(floats, world.ids, scratch.y));
  static const char *const unstreamable[] = {
      "Input(3) -> Bidirectional(LSTM(4)) -> Dense(2)",
      "Input(3) -> GRU(4, go_backwards=true) -> Dense(2)",
  };
  for (int64_t i = 0; i < COUNT_OF(unstreamable); i++) {
    refrain_session *session = make_session(make_model(unstreamable[i], 1), "lanes=2");
    refrain_tensor x = FLOATS(world.x, BATCH, FEATURES), y = FLOATS(scratch.y, BATCH, CLASSES);
    REFUSED(REFRAIN_UNSUPPORTED, "", refrain_session_step(session, world.x, scratch.y));
    REFUSED(REFRAIN_UNSUPPORTED, "", refrain_session_step_tensors(session, &x, 1, &y, 1));
  }
  refrain_session *two = make_session(
      make_model("a = Input(3)\nb = Input(3)\n[a, b] -> Concat -> GRU(4) -> Dense(2)", 1),
      "lanes=2");
  REFUSED(EITHER(REFRAIN_SHAPE, REFRAIN_UNSUPPORTED), "input",
          refrain_session_step(two, world.x, scratch.y));
}

static void steps_with_tensors(void) {
  begin();
  int64_t lengths[BATCH] = {1, 1};
  uint8_t mask[BATCH] = {1, 1};
  int status = EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT);
  int64_t size = 0;
  unsigned char *before = state_bytes(world.session, &size);
  struct {
    refrain_tensor x, y;
    int status;
    const char *fragment;
  } wrong[] = {
      {world.input, FLOATS(scratch.y, BATCH, CLASSES), REFRAIN_SHAPE, "inputs"},
      {FLOATS(world.x, BATCH, 1, FEATURES), FLOATS(scratch.y, BATCH, CLASSES), REFRAIN_SHAPE,
       "inputs"},
      {FLOATS(world.x, BATCH + 1, FEATURES), FLOATS(scratch.y, BATCH, CLASSES), REFRAIN_SHAPE,
       "inputs"},
      {FLOATS(world.x, 1, FEATURES), FLOATS(scratch.y, BATCH, CLASSES), REFRAIN_SHAPE, "inputs"},
      {FLOATS(world.x, BATCH, FEATURES + 1), FLOATS(scratch.y, BATCH, CLASSES), REFRAIN_SHAPE,
       "inputs"},
      {IDS(world.x, BATCH, FEATURES), FLOATS(scratch.y, BATCH, CLASSES), REFRAIN_SHAPE, "inputs"},
      {FLOATS(world.x, BATCH, FEATURES), FLOATS(scratch.y, BATCH, CLASSES + 1), REFRAIN_SHAPE,
       "outputs"},
      {FLOATS(world.x, BATCH, FEATURES), FLOATS(scratch.y, BATCH + 1, CLASSES), REFRAIN_SHAPE,
       "outputs"},
      {FLOATS(world.x, BATCH, FEATURES), IDS(scratch.y, BATCH, CLASSES), REFRAIN_SHAPE, "outputs"},
      {FLOATS(NULL, BATCH, FEATURES), FLOATS(scratch.y, BATCH, CLASSES), REFRAIN_NULL_POINTER,
       "inputs"},
      {FLOATS(world.x, BATCH, FEATURES), FLOATS(NULL, BATCH, CLASSES), REFRAIN_NULL_POINTER,
       "outputs"},
      {FLOATS(world.x, -1, FEATURES), FLOATS(scratch.y, BATCH, CLASSES), status, "inputs"},
      {FLOATS(world.x, INT64_MAX, FEATURES), FLOATS(scratch.y, BATCH, CLASSES), status, "inputs"},
  };
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED(wrong[i].status, wrong[i].fragment,
            refrain_session_step_tensors(world.session, &wrong[i].x, 1, &wrong[i].y, 1));
  }
  refrain_tensor x = FLOATS(world.x, BATCH, FEATURES), y = FLOATS(scratch.y, BATCH, CLASSES);
  x.lengths = lengths;
  REFUSED(status, "lengths", refrain_session_step_tensors(world.session, &x, 1, &y, 1));
  x.lengths = NULL;
  x.mask = mask;
  REFUSED(status, "mask", refrain_session_step_tensors(world.session, &x, 1, &y, 1));
  unsigned char *after = state_bytes(world.session, &size);
  CHECK(memcmp(before, after, (size_t)size) == 0);
  free(before);
  free(after);
}

static void lanes(void) {
  begin();
  static const int64_t wrong[] = {-2, 2, INT64_MAX, INT64_MIN, INT32_MAX};
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED(REFRAIN_ARGUMENT, "lane", refrain_session_reset(world.session, wrong[i]));
  }
}

/* Whatever is refused, the state that was there stays. */
static void states_that_do_not_fit(void) {
  begin();
  float y[BATCH * CLASSES];
  REQUIRE_OK(refrain_session_step(world.session, world.x, y));
  int64_t size = 0, other_size = 0;
  unsigned char *state = state_bytes(world.session, &size), *copy = malloc((size_t)size);
  REQUIRE(copy != NULL);
  REQUIRE_OK(refrain_session_reset(world.session, 0));
  unsigned char *current = state_bytes(world.session, &other_size);
  CHECK_EQUAL(other_size, size);
  for (int64_t cut = 0; cut < size; cut++) {
    REFUSED(REFRAIN_FORMAT, "", refrain_session_load_state(world.session, state, cut));
  }
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_FORMAT), "",
          refrain_session_load_state(world.session, state, -1));
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_FORMAT), "",
          refrain_session_load_state(world.session, state, INT64_MAX));
  static const char *const others[] = {"Input(3) -> LSTM(4) -> Dense(3, activation=softmax)",
                                       "Input(3) -> LSTM(5) -> Dense(2)",
                                       "Input(3) -> GRU(4) -> Dense(2, activation=softmax)"};
  for (int64_t i = 0; i < COUNT_OF(others); i++) {
    refrain_session *other = make_session(make_model(others[i], 1), "lanes=2");
    REFUSED(REFRAIN_FORMAT, "", refrain_session_load_state(other, state, size));
  }
  refrain_session *wider = make_session(world.model, "lanes=3");
  REFUSED(REFRAIN_FORMAT, "expected", refrain_session_load_state(wider, state, size));
  refrain_session *spare = make_session(world.model, "lanes=2");
  uint64_t seed = 7;
  for (int round = 0; round < 500; round++) {
    memcpy(copy, state, (size_t)size);
    uint64_t random = next_random(&seed);
    copy[random % (uint64_t)size] ^= (unsigned char)(1 << (random >> 32) % 8);
    check_begin(__FILE__, __LINE__, "loading a damaged state");
    refrain_status status = refrain_session_load_state(spare, copy, size);
    CHECK(status == REFRAIN_OK || status == REFRAIN_FORMAT);
  }
  unsigned char *after = state_bytes(world.session, &other_size);
  CHECK(memcmp(current, after, (size_t)size) == 0);
  CHECK_OK(refrain_session_load_state(world.session, state, size));

  check_watch(copy, (size_t)size);
  int64_t needed = -1;
  REFUSED(REFRAIN_CAPACITY, "bytes",
          refrain_session_save_state(world.session, copy, size - 1, &needed));
  CHECK_EQUAL(needed, size);
  REFUSED(REFRAIN_CAPACITY, "bytes", refrain_session_save_state(world.session, copy, 0, NULL));
  REFUSED(REFRAIN_ARGUMENT, "capacity",
          refrain_session_save_state(world.session, copy, -1, &scratch.size));
}

static void evaluations(void) {
  begin();
  refrain_metrics **metrics = (refrain_metrics **)&scratch.handle;
  static const char *const options[] = {NULL,
                                        "",
                                        "batch_size=2",
                                        "loss=crossentropi",
                                        "loss=none",
                                        "loss=crossentropy, batch_size=0",
                                        "loss=Adam(0.1)",
                                        "loss=crossentropy, epochs=2",
                                        "loss=[mse, mse]"};
  for (int64_t i = 0; i < COUNT_OF(options); i++) {
    REFUSED_CASE(options[i] ? options[i] : "NULL",
                 EITHER(REFRAIN_NOTATION, REFRAIN_ARGUMENT) | EITHER(REFRAIN_SHAPE, REFRAIN_SHAPE),
                 "", refrain_session_evaluate(world.session, &world.data, options[i], metrics));
  }
  struct world *w = &world;
#define REFUSED_DATA(change, status, fragment)                                                  \
  do {                                                                                          \
    refrain_dataset data = w->data;                                                             \
    refrain_tensor input = w->input, target = w->target;                                        \
    int32_t classes[BATCH] = {0, 1};                                                            \
    target.data = classes;                                                                      \
    data.inputs = &input;                                                                       \
    data.targets = &target;                                                                     \
    change;                                                                                     \
    REFUSED_CASE("evaluate: " #change, status, fragment,                                        \
                 refrain_session_evaluate(w->session, &data, "loss=crossentropy", metrics));    \
    REFUSED_CASE("fit: " #change, status, fragment,                                             \
                 refrain_trainer_fit(w->trainer, &data, NULL, "batch_size=1", NULL, NULL));     \
    REFUSED_CASE("fit, validation: " #change, status, fragment,                                 \
                 refrain_trainer_fit(w->trainer, &w->data, &data, "batch_size=1", NULL, NULL)); \
  } while (0)
  int64_t count = 0;
  float *before = copy_parameters(w->model, &count);
  int shape = EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT);
  REFUSED_DATA(data.struct_size = 0, REFRAIN_ARGUMENT, "struct_size");
  REFUSED_DATA(data.struct_size = 8, REFRAIN_ARGUMENT, "struct_size");
  REFUSED_DATA(data.struct_size = -1, REFRAIN_ARGUMENT, "struct_size");
  REFUSED_DATA(data.struct_size = INT64_MAX, REFRAIN_ARGUMENT, "struct_size");
  REFUSED_DATA(data.inputs = NULL, REFRAIN_NULL_POINTER, "inputs");
  REFUSED_DATA(data.targets = NULL, REFRAIN_NULL_POINTER, "targets");
  REFUSED_DATA(data.input_count = 0, shape, "inputs");
  REFUSED_DATA(data.input_count = -1, shape, "inputs");
  REFUSED_DATA(data.target_count = 0, shape, "targets");
  REFUSED_DATA(data.target_count = INT64_MAX, shape, "targets");
  REFUSED_DATA(input.data = NULL, REFRAIN_NULL_POINTER, "inputs");
  REFUSED_DATA(target.data = NULL, REFRAIN_NULL_POINTER, "targets");
  REFUSED_DATA((input.shape[0] = 0, target.shape[0] = 0), shape, "inputs");
  REFUSED_DATA(input.shape[0] = 1, REFRAIN_SHAPE, "targets");
  REFUSED_DATA(target.shape[0] = 1, REFRAIN_SHAPE, "targets");
  REFUSED_DATA(target.rank = 2, REFRAIN_SHAPE, "targets");
  REFUSED_DATA(target = FLOATS(w->x, BATCH, CLASSES + 1), REFRAIN_SHAPE, "targets");
  REFUSED_DATA(classes[1] = -1, REFRAIN_ARGUMENT, "targets");
  REFUSED_DATA(classes[1] = CLASSES, REFRAIN_ARGUMENT, "targets");
  REFUSED_DATA(classes[1] = INT32_MAX, REFRAIN_ARGUMENT, "targets");
  REFUSED_DATA(classes[1] = INT32_MIN, REFRAIN_ARGUMENT, "targets");
  float weights[BATCH] = {1, 1};
  refrain_tensor weight = FLOATS(weights, BATCH);
  REFUSED_DATA((data.sample_weights = &weight, weights[1] = -1), REFRAIN_ARGUMENT,
               "sample_weights");
  REFUSED_DATA((data.sample_weights = &weight, weights[1] = NAN), REFRAIN_ARGUMENT,
               "sample_weights");
  REFUSED_DATA((data.sample_weights = &weight, weights[1] = INFINITY), REFRAIN_ARGUMENT,
               "sample_weights");
  weights[1] = 1;
  weight.shape[0] = BATCH + 1;
  REFUSED_DATA(data.sample_weights = &weight, REFRAIN_SHAPE, "sample_weights");
  weight = IDS(w->classes, BATCH);
  REFUSED_DATA(data.sample_weights = &weight, shape, "sample_weights");
  float *after = copy_parameters(w->model, &count);
  CHECK_SAME(after, before, count);
  free(before);
  free(after);
}

void errors_in_sessions(void) {
  RUN(the_valid_call_succeeds);
  RUN(counts_of_arrays);
  RUN(structs_of_wrong_size);
  RUN(types_and_ranks);
  RUN(sizes_that_do_not_fit);
  RUN(negative_and_enormous_sizes);
  RUN(sizes_beyond_the_address_space);
  RUN(lengths_out_of_range);
  RUN(empty_batches);
  RUN(no_timesteps);
  RUN(ids_out_of_range);
  RUN(not_a_number_stays_in_its_row);
  RUN(options_of_sessions);
  RUN(steps);
  RUN(steps_with_tensors);
  RUN(lanes);
  RUN(states_that_do_not_fit);
  RUN(evaluations);
}
