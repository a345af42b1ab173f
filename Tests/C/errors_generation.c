/*
 * errors_generation.c — wrong arguments of refrain_session_generate()
 */
#include "errors.h"

#include <math.h>
#include <string.h>

enum { TOKENS = 7, PROMPT = 2, MAX_LENGTH = 5 };

/* A call that would succeed; tests change one thing in it. */
struct generation {
  refrain_session *session; /* of an encoder and a decoder with attention */
  refrain_tensor inputs[3]; /* floats, prompts */
  int64_t input_count;
  const char *options;
  int32_t prompts[BATCH * PROMPT];
  int64_t lengths[BATCH];
  uint8_t mask[BATCH * PROMPT];
  int32_t *ids;
};

static const char DECODER[] =
    "source = Input(3)\n"
    "[memory, h] = source -> GRU(4, return_sequences=true, return_state=true)\n"
    "target = Embedding(7, 4)\n"
    "states = [target, h] -> GRU(4, return_sequences=true)\n"
    "context = [states, memory] -> Attention\n"
    "[states, context] -> Concat -> Dense(7, activation=softmax)";

static struct generation valid_generation(void) {
  static struct generation call;
  static refrain_session *session;
  begin();
  if (!session) session = make_session(make_model(DECODER, 1), "threads=2");
  memset(&call, 0, sizeof call);
  call.session = session;
  for (int i = 0; i < BATCH * PROMPT; i++) call.prompts[i] = 1 + i, call.mask[i] = 1;
  for (int i = 0; i < BATCH; i++) call.lengths[i] = PROMPT;
  call.inputs[0] = world.input;
  call.inputs[1] = call.inputs[2] = IDS(call.prompts, BATCH, PROMPT);
  call.input_count = 2;
  call.options = "max_length=5, end=2";
  call.ids = scratch.id;
  return call;
}

static refrain_status generate(struct generation *call) {
  /* The call has moved since its tensors were made. */
  if (call->inputs[1].data) call->inputs[1].data = call->prompts;
  return refrain_session_generate(call->session, call->inputs, call->input_count, call->options,
                                  call->ids, scratch.sizes, scratch.y);
}

#define REFUSED_GENERATION(change, status, fragment)              \
  do {                                                            \
    struct generation call = valid_generation();                  \
    change;                                                       \
    REFUSED_CASE(#change, (status), (fragment), generate(&call)); \
  } while (0)

static void the_valid_generation_succeeds(void) {
  struct generation call = valid_generation();
  check_unwatch();
  int32_t ids[BATCH * MAX_LENGTH];
  int64_t lengths[BATCH];
  float scores[BATCH];
  CHECK_OK(refrain_session_generate(call.session, call.inputs, 2, call.options, ids, lengths,
                                    scores));
  for (int row = 0; row < BATCH; row++) {
    CHECK(lengths[row] >= 0 && lengths[row] <= MAX_LENGTH);
    CHECK(scores[row] <= 0 && isfinite(scores[row]));
    for (int64_t t = 0; t < MAX_LENGTH; t++) {
      CHECK(ids[row * MAX_LENGTH + t] >= 0 && ids[row * MAX_LENGTH + t] < TOKENS);
      CHECK((ids[row * MAX_LENGTH + t] == 2) == (t >= lengths[row]));
    }
  }
  int32_t again[BATCH * MAX_LENGTH];
  CHECK_OK(refrain_session_generate(call.session, call.inputs, 2, call.options, again, NULL, NULL));
  CHECK(memcmp(ids, again, sizeof ids) == 0);
  call.inputs[1].lengths = call.lengths;
  CHECK_OK(refrain_session_generate(call.session, call.inputs, 2, call.options, again, NULL, NULL));
  CHECK(memcmp(ids, again, sizeof ids) == 0);
}

static void arrays_that_do_not_fit(void) {
  int shape = EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT);
  REFUSED_GENERATION(call.ids = NULL, REFRAIN_NULL_POINTER, "ids");
  REFUSED_GENERATION(call.inputs[1].data = NULL, REFRAIN_NULL_POINTER, "inputs[1]");
  REFUSED_GENERATION(call.inputs[0].data = NULL, REFRAIN_NULL_POINTER, "inputs[0]");
  REFUSED_GENERATION(call.input_count = 0, REFRAIN_SHAPE, "inputs");
  REFUSED_GENERATION(call.input_count = 1, REFRAIN_SHAPE, "inputs");
  REFUSED_GENERATION(call.input_count = 3, REFRAIN_SHAPE, "inputs");
  REFUSED_GENERATION(call.input_count = -1, REFRAIN_ARGUMENT, "inputs");
  REFUSED_GENERATION(call.input_count = INT64_MAX, REFRAIN_ARGUMENT, "inputs");
  REFUSED_GENERATION(call.inputs[1].type = REFRAIN_FLOAT32, REFRAIN_SHAPE, "inputs[1]");
  REFUSED_GENERATION(call.inputs[0].type = REFRAIN_INT32, REFRAIN_SHAPE, "inputs[0]");
  REFUSED_GENERATION(call.inputs[1].rank = 1, REFRAIN_SHAPE, "inputs[1]");
  REFUSED_GENERATION(call.inputs[1].shape[0] = BATCH - 1, REFRAIN_SHAPE, "inputs[1]");
  REFUSED_GENERATION(call.inputs[1].shape[1] = 0, REFRAIN_ARGUMENT, "timesteps");
  REFUSED_GENERATION(call.inputs[1].shape[1] = -1, shape, "inputs[1]");
  REFUSED_GENERATION(call.inputs[1].shape[1] = INT64_MAX, shape, "inputs[1]");
  REFUSED_GENERATION(call.inputs[0].shape[2] = FEATURES + 1, REFRAIN_SHAPE, "inputs[0]");
  REFUSED_GENERATION(call.inputs[1].struct_size = 8, REFRAIN_ARGUMENT, "struct_size");
}

static void prompts_that_do_not_fit(void) {
  static const int32_t ids[] = {-1, TOKENS, INT32_MAX, INT32_MIN};
  for (int64_t i = 0; i < COUNT_OF(ids); i++) {
    REFUSED_GENERATION(call.prompts[3] = ids[i], REFRAIN_ARGUMENT, "inputs[1][1, 1]");
  }
  static const int64_t lengths[] = {0, -1, PROMPT + 1, INT64_MAX, INT64_MIN};
  for (int64_t i = 0; i < COUNT_OF(lengths); i++) {
    REFUSED_GENERATION((call.lengths[1] = lengths[i], call.inputs[1].lengths = call.lengths),
                       REFRAIN_ARGUMENT, "inputs[1].lengths[1]");
  }
  REFUSED_GENERATION(call.inputs[1].mask = call.mask, REFRAIN_ARGUMENT, "mask");
}

static void options_of_generation(void) {
  static const struct {
    const char *options;
    int status;
    const char *fragment;
  } wrong[] = {
      {NULL, REFRAIN_NOTATION, "max_length"},
      {"", REFRAIN_NOTATION, "max_length"},
      {"end=2", REFRAIN_NOTATION, "max_length"},
      {"max_length=0", REFRAIN_NOTATION, "max_length"},
      {"max_length=-1", REFRAIN_NOTATION, "max_length"},
      {"max_length=2147483648", REFRAIN_NOTATION, "max_length"},
      {"max_length=99999999999999999999", REFRAIN_NOTATION, "column"},
      {"max_length=none", REFRAIN_NOTATION, "max_length"},
      {"max_len=4", REFRAIN_NOTATION, "'max_length'"},
      {"max_length=4, end=-1", REFRAIN_NOTATION, "end"},
      {"max_length=4, end=7", REFRAIN_ARGUMENT, "end"},
      {"max_length=4, end=2147483647", REFRAIN_ARGUMENT, "end"},
      {"max_length=4, beams=0", REFRAIN_NOTATION, "beams"},
      {"max_length=4, beams=65537", REFRAIN_NOTATION, "beams"},
      {"max_length=4, beams=2, temperature=1", REFRAIN_ARGUMENT, "beams"},
      {"max_length=4, temperature=-1", REFRAIN_NOTATION, "temperature"},
      {"max_length=4, temperature=inf", REFRAIN_NOTATION, "temperature"},
      {"max_length=4, top_k=3", REFRAIN_ARGUMENT, "top_k"},
      {"max_length=4, top_p=0.5", REFRAIN_ARGUMENT, "top_p"},
      {"max_length=4, temperature=1, top_k=0", REFRAIN_NOTATION, "top_k"},
      {"max_length=4, temperature=1, top_p=0", REFRAIN_NOTATION, "top_p"},
      {"max_length=4, temperature=1, top_p=1.5", REFRAIN_NOTATION, "top_p"},
      {"max_length=4, length_penalty=1", REFRAIN_ARGUMENT, "length_penalty"},
      {"max_length=4, beams=2, length_penalty=-1", REFRAIN_NOTATION, "length_penalty"},
      {"max_length=4, seed=-1", REFRAIN_NOTATION, "seed"},
      {"max_length=4, feed=0", REFRAIN_ARGUMENT, "feed"},
      {"max_length=4, feed=2", REFRAIN_ARGUMENT, "feed"},
      {"max_length=4, feed=-1", REFRAIN_NOTATION, "feed"},
      {"max_length=4, feed=65536", REFRAIN_NOTATION, "feed"},
      {"max_length=4, feed=source", REFRAIN_ARGUMENT, "feed"},
      {"max_length=4, feed=sauce", REFRAIN_NAME, "'source'"},
      {"max_length=4, feed=states", REFRAIN_NAME, "states"},
      {"max_length=4, feed=''", REFRAIN_NAME, ""},
      {"max_length=4, max_length=4", REFRAIN_NOTATION, "max_length"},
      {"max_length", REFRAIN_NOTATION, "column"},
  };
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    struct generation call = valid_generation();
    call.options = wrong[i].options;
    REFUSED_CASE(wrong[i].options ? wrong[i].options : "NULL", wrong[i].status, wrong[i].fragment,
                 generate(&call));
  }
}

/* Sizes that no memory holds, and sizes that only the caller's memory would have to. */
static void sizes_that_cannot_be(void) {
  REFUSED_GENERATION(call.options = "max_length=2147483647, beams=65536", REFRAIN_MEMORY, "");
  REFUSED_GENERATION(call.options = "max_length=200000000, beams=4096", REFRAIN_MEMORY, "bytes");
  refrain_session *session = make_session(
      make_model("Embedding(7, 3) -> GRU(4, return_sequences=true) -> Dense(7, activation=softmax)",
                 1),
      "");
  refrain_session *looks_back = make_session(
      make_model("Embedding(7, 64) -> MultiHeadAttention(2, causal=true) -> Dense(7, "
                 "activation=softmax)",
                 1),
      "");
  refrain_tensor ids = IDS(world.ids, BATCH, TIMESTEPS);
  REFUSED(REFRAIN_MEMORY, "bytes",
          refrain_session_generate(looks_back, &ids, 1, "max_length=2147483647", scratch.id, NULL,
                                   NULL));
  static int32_t id;
  refrain_tensor prompts = IDS(&id, INT64_MAX / 8, 1);
  begin();
  REFUSED(EITHER(REFRAIN_ARGUMENT, REFRAIN_SHAPE), "inputs",
          refrain_session_generate(session, &prompts, 1, "max_length=5", scratch.id, NULL, NULL));
}

static void models_that_do_not_generate(void) {
  begin();
  refrain_tensor ids = IDS(world.ids, BATCH, TIMESTEPS);
  REFUSED(REFRAIN_UNSUPPORTED, "no input of ids",
          refrain_session_generate(world.session, &world.input, 1, "max_length=2", scratch.id, NULL,
                                   NULL));
  REFUSED(REFRAIN_UNSUPPORTED, "timesteps",
          refrain_session_generate(world.ids_session, &ids, 1, "max_length=2", scratch.id, NULL,
                                   NULL));
  static const struct {
    const char *notation, *fragment;
  } wrong[] = {
      {"Embedding(7, 3) -> GRU(4, return_sequences=true) -> Dense(7)", "softmax"},
      {"Embedding(7, 3) -> GRU(4, return_sequences=true) -> Dense(8, activation=softmax)",
       "8 classes"},
      {"Embedding(7, 3) -> Bidirectional(GRU(4, return_sequences=true)) -> Dense(7, "
       "activation=softmax)",
       "bidirectional"},
      {"Embedding(7, 4) -> MultiHeadAttention(2) -> Dense(7, activation=softmax)",
       "multiheadattention"},
  };
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    refrain_session *session = make_session(make_model(wrong[i].notation, 1), "");
    REFUSED_CASE(wrong[i].notation, REFRAIN_UNSUPPORTED, wrong[i].fragment,
                 refrain_session_generate(session, &ids, 1, "max_length=2", scratch.id, NULL, NULL));
  }
}

/* No rows: nothing to do, and nothing is touched. */
static void no_rows(void) {
  struct generation call = valid_generation();
  call.inputs[0].shape[0] = call.inputs[1].shape[0] = 0;
  check_unwatch();
  static const char *const options[] = {"max_length=5", "max_length=2147483647, beams=65536",
                                        "max_length=5, temperature=1"};
  for (int64_t i = 0; i < COUNT_OF(options); i++) {
    call.options = options[i];
    CHECK_OK(generate(&call));
  }
}

void errors_in_generation(void) {
  RUN(the_valid_generation_succeeds);
  RUN(arrays_that_do_not_fit);
  RUN(prompts_that_do_not_fit);
  RUN(options_of_generation);
  RUN(sizes_that_cannot_be);
  RUN(models_that_do_not_generate);
  RUN(no_rows);
}
