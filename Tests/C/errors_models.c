/*
 * errors_models.c — wrong arguments of refrain_model_*
 */
#include "errors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t wrong_indices[] = {-1, 1000, INT64_MAX, INT64_MIN, INT32_MAX};
static const int64_t wrong_struct_sizes[] = {0,  8,         sizeof(refrain_tensor) - 8,
                                             -1, INT64_MIN, INT64_MAX};

static void descriptions(void) {
  begin();
  refrain_tensor description;
  check_watch(&description, sizeof description);
  for (int64_t i = 0; i < COUNT_OF(wrong_indices); i++) {
    int64_t index = wrong_indices[i];
    REFUSED(REFRAIN_ARGUMENT, "index", refrain_model_input(world.model, index, &description));
    REFUSED(REFRAIN_ARGUMENT, "index", refrain_model_output(world.model, index, &description));
    REFUSED(REFRAIN_ARGUMENT, "index",
            refrain_model_output_for(world.model, index, &world.input, 1, &description));
    REFUSED(REFRAIN_ARGUMENT, "index",
            refrain_model_parameter(world.model, index, scratch.text, 256, &scratch.size, NULL));
    REFUSED(REFRAIN_ARGUMENT, "index",
            refrain_model_label(world.model, index, scratch.text, 256, &scratch.size));
  }
  REFUSED(REFRAIN_ARGUMENT, "index", refrain_model_input(world.model, 1, &description));
  REFUSED(REFRAIN_ARGUMENT, "index",
          refrain_model_label(world.model, 0, scratch.text, 256, &scratch.size));
  check_unwatch();
  check_watch(&scratch, sizeof scratch);
  for (int64_t i = 0; i < COUNT_OF(wrong_struct_sizes); i++) {
    refrain_tensor small, before;
    memset(&small, 0x5A, sizeof small);
    small.struct_size = wrong_struct_sizes[i];
    before = small;
    REFUSED(REFRAIN_ARGUMENT, "struct_size", refrain_model_input(world.model, 0, &small));
    REFUSED(REFRAIN_ARGUMENT, "struct_size", refrain_model_output(world.model, 0, &small));
    REFUSED(REFRAIN_ARGUMENT, "struct_size",
            refrain_model_parameter(world.model, 0, scratch.text, 256, &scratch.size, &small));
    CHECK(memcmp(&small, &before, sizeof small) == 0);
  }
  refrain_tensor untouched = FLOATS(world.x, 5, 6);
  refrain_tensor before = untouched;
  REFUSED(REFRAIN_CAPACITY, "",
          refrain_model_parameter(world.model, 0, scratch.text, 2, NULL, &untouched));
  CHECK(memcmp(&untouched, &before, sizeof before) == 0);
}

/* What an output looks like for certain inputs: they must be the model's. */
static void outputs_for_inputs(void) {
  begin();
  refrain_tensor description = FLOATS(NULL, 0);
  refrain_tensor inputs[] = {world.input, world.input};
  REFUSED(REFRAIN_SHAPE, "inputs: expected 1, found 2",
          refrain_model_output_for(world.model, 0, inputs, 2, &description));
  REFUSED(REFRAIN_SHAPE, "inputs: expected 1, found 0",
          refrain_model_output_for(world.model, 0, inputs, 0, &description));
  inputs[0].shape[2]++;
  REFUSED(REFRAIN_SHAPE, "inputs: expected shape [2, any, 3]",
          refrain_model_output_for(world.model, 0, inputs, 1, &description));
  inputs[0] = world.input;
  inputs[0].rank = 2;
  REFUSED(REFRAIN_SHAPE, "inputs: expected shape [2, any, 3]",
          refrain_model_output_for(world.model, 0, inputs, 1, &description));
  refrain_model *model = make_model("q = Input(4)\nm = Input(6)\nv = Input(2, time=false)\n"
                                    "[y, w] = [q, m] -> Attention(5, return_weights=true)\n"
                                    "r = [v, m] -> RepeatVector\nn = v -> RepeatVector(11)\n"
                                    "[p, u] = [v, n] -> Attention(return_weights=true)\n"
                                    "[y, w, r, n, u]",
                                    1);
  static float x[2 * 7 * 6];
  refrain_tensor given[] = {FLOATS(x, 2, 3, 4), FLOATS(x, 2, 7, 6), FLOATS(x, 2, 2)};
  static const int64_t expected[][4] = {
      {3, 2, 3, 6}, {3, 2, 3, 7}, {3, 2, 7, 2}, {3, 2, 11, 2}, {2, 2, 11, 0}};
  for (int64_t i = 0; i < COUNT_OF(expected); i++) {
    REQUIRE_OK(refrain_model_output_for(model, i, given, 3, &description));
    CHECK_EQUAL(description.rank, expected[i][0]);
    CHECK(memcmp(description.shape, &expected[i][1], 3 * sizeof(int64_t)) == 0);
    CHECK_EQUAL(description.type, REFRAIN_FLOAT32);
    CHECK(description.data == NULL);
  }
  given[1].shape[0] = 3;
  REFUSED(REFRAIN_SHAPE, "inputs[1]", refrain_model_output_for(model, 0, given, 3, &description));
  refrain_model_release(model);
}

/* Attention and its companions where they cannot stand. */
static void attention_that_cannot_be(void) {
  begin();
  static const struct {
    const char *notation, *fragment;
  } wrong[] = {
      {"Input(3) -> Attention(0)", "units: expected an integer of 1"},
      {"Input(3) -> Attention(score=bilinear)", "one of additive, dot, general, scaled_dot"},
      {"Input(3) -> Attention(score=dott)", "did you mean 'dot'?"},
      {"Input(3) -> Attention(4, score=dot)", "units with score=additive only"},
      {"Input(3) -> Attention(score=general)", "use score=dot, or [query, memory]"},
      {"Input(3) -> Attention(dropout=1)", "dropout"},
      {"Input(3, time=false) -> Attention(4)", "takes a float sequence"},
      {"Input([3, 2]) -> Attention(4)", "takes a float sequence"},
      {"x = Input(ids)\nx -> Attention(4)", "takes a float sequence"},
      {"q = Input(3)\nm = Input(3, time=false)\n[q, m] -> Attention(4)", "memory"},
      {"q = Input(3)\nm = Input(4)\n[q, m] -> Attention(score=dot)", "found 3 and 4"},
      {"q = Input(3)\nm = Input(4)\n[q, m] -> Attention(score=scaled_dot)", "found 3 and 4"},
      {"q = Input(3)\n[q, q, q] -> Attention(4)", "[query, memory]"},
      {"x = Input(3)\n[y, w] = x -> Attention(4, return_weights=true)\nw -> Dense(2)",
       "Dense cannot take weights of attention"},
      {"x = Input(3)\n[y, w] = x -> Attention(4, return_weights=true)\n[w, y] -> Concat",
       "Concat cannot take weights of attention"},
      {"x = Input(3)\n[y, w] = x -> Attention(4)", "2 names for 1 values"},
      {"Input(3) -> MultiHeadAttention", "needs 'heads'"},
      {"Input(3) -> MultiHeadAttention(2)", "3 is no multiple of 2; give key_size"},
      {"Input(4) -> MultiHeadAttention(0)", "heads"},
      {"Input(4) -> MultiHeadAttention(2, key_size=0)", "key_size"},
      {"Input(4) -> MultiHeadAttention(2147483647, key_size=2147483647)", ""},
      {"Input(4, time=false) -> MultiHeadAttention(2)", "takes a float sequence"},
      {"q = Input(4)\nm = Input(4)\n[q, m] -> MultiHeadAttention(2, causal=true)", "causal"},
      {"a = Input(4)\n[a] -> Multiply", "two or more"},
      {"a = Input(4)\nb = Input(3)\n[a, b] -> Multiply", "[-1, -1, 4], [-1, -1, 3]"},
      {"a = Input(4)\nb = Input(4, time=false)\n[a, b] -> Multiply", "fit together"},
      {"Input(4, time=false) -> RepeatVector", "RepeatVector(20)"},
      {"Input(4, time=false) -> RepeatVector(0)", "n: expected an integer of 1"},
      {"Input(4) -> RepeatVector(3)", "without timesteps"},
      {"a = Input(4, time=false)\nb = Input(4)\n[a, b] -> RepeatVector(3)", "[x, sequence]"},
      {"a = Input(4, time=false)\n[a, a] -> RepeatVector", "[x, sequence]"},
      {"a = Input(4, time=false)\nb = Input(4)\nc = a -> RepeatVector(3)\n[b, c] -> Add",
       "whose shapes fit together"},
      {"a = Input(4, time=false)\nb = Input(4)\nc = a -> RepeatVector(3)\n[b, c] -> Concat",
       "cannot join sequences of an input's and 3 timesteps"},
      {"a = Input(4, time=false)\nb = a -> RepeatVector(3)\nc = a -> RepeatVector(4)\n"
       "[b, c] -> Multiply",
       "cannot join sequences of 3 and 4 timesteps"},
  };
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED_CASE(wrong[i].notation, EITHER(REFRAIN_NOTATION, REFRAIN_MEMORY), wrong[i].fragment,
                 refrain_model_create(wrong[i].notation, 1, (refrain_model **)&scratch.handle));
  }
}

static void parameters(void) {
  begin();
  static const char *const names[] = {"", "dense", "dense.weights", "DENSE.weight",
                                      "lstm.weight_ih_reverse"};
  int64_t count = 0;
  float *before = copy_parameters(world.model, &count);
  for (int64_t i = 0; i < COUNT_OF(names); i++) {
    REFUSED(REFRAIN_NAME, names[i],
            refrain_model_get_parameter(world.model, names[i], scratch.y, 2));
    REFUSED(REFRAIN_NAME, names[i], refrain_model_set_parameter(world.model, names[i], world.x, 2));
    REFUSED(REFRAIN_NAME, names[i],
            refrain_model_parameter_data(world.model, names[i], &scratch.data, &scratch.size));
  }
  REFUSED(REFRAIN_NAME, "'dense.weight'",
          refrain_model_get_parameter(world.model, "dense.weights", scratch.y, 2));
  static const int64_t counts[] = {0, 1, 3, -1, INT64_MAX, INT64_MIN, (int64_t)1 << 62};
  for (int64_t i = 0; i < COUNT_OF(counts); i++) {
    int status = counts[i] < 0 ? EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT) : REFRAIN_SHAPE;
    REFUSED(status, "",
            refrain_model_get_parameter(world.model, "dense.bias", scratch.y, counts[i]));
    REFUSED(status, "", refrain_model_set_parameter(world.model, "dense.bias", world.x, counts[i]));
  }
  static const float wrong[][2] = {{0, NAN}, {INFINITY, 0}, {0, -INFINITY}};
  for (int64_t i = 0; i < COUNT_OF(wrong); i++) {
    REFUSED(REFRAIN_NOT_FINITE, "dense.bias",
            refrain_model_set_parameter(world.model, "dense.bias", wrong[i], 2));
  }
  float *after = copy_parameters(world.model, &count);
  CHECK_SAME(after, before, count);
  free(before);
  free(after);
}

static void attachments(void) {
  begin();
  REFUSED(REFRAIN_ORDER, "tokenizer",
          refrain_model_tokenizer(world.model, (refrain_tokenizer **)&scratch.handle));
  REFUSED(REFRAIN_ORDER, "scaler",
          refrain_model_scaler(world.model, "input", (refrain_scaler **)&scratch.handle));
  static const char *const roles[] = {"", "Input", "output", "inputs"};
  for (int64_t i = 0; i < COUNT_OF(roles); i++) {
    REFUSED(REFRAIN_NAME, roles[i], refrain_model_set_scaler(world.model, roles[i], world.scaler));
    REFUSED(REFRAIN_NAME, roles[i], refrain_model_set_scaler(world.model, roles[i], NULL));
    REFUSED(REFRAIN_NAME, roles[i],
            refrain_model_scaler(world.model, roles[i], (refrain_scaler **)&scratch.handle));
  }
  const char *labels[] = {"a", "b", "c"};
  static const int64_t counts[] = {1, 3, -1, INT64_MAX, INT64_MIN, (int64_t)1 << 62};
  for (int64_t i = 0; i < COUNT_OF(counts); i++) {
    REFUSED(EITHER(REFRAIN_SHAPE, REFRAIN_ARGUMENT), "",
            refrain_model_set_labels(world.model, labels, counts[i]));
  }
  const char *broken[] = {"a", "\xFF"};
  REFUSED(REFRAIN_ARGUMENT, "labels[1]", refrain_model_set_labels(world.model, broken, 2));
  check_unwatch();
  int64_t count = -1;
  CHECK_OK(refrain_model_label_count(world.model, &count));
  CHECK_EQUAL(count, 0);
  refrain_scaler *unfitted = NULL;
  REQUIRE_OK(refrain_scaler_create("MinMaxScaler(0, 1)", &unfitted));
  CHECK_OK(refrain_model_set_scaler(world.model, "target", NULL));
  CHECK_OK(refrain_model_set_tokenizer(world.model, NULL));
}

static void saving_into_too_little_memory(void) {
  begin();
  int64_t size = 0;
  unsigned char *bytes = model_bytes(world.model, &size), *target = malloc((size_t)size);
  REQUIRE(target != NULL);
  check_watch(target, (size_t)size);
  int64_t needed = -1;
  REFUSED(REFRAIN_CAPACITY, "bytes",
          refrain_model_save_memory(world.model, target, size - 1, &needed));
  CHECK_EQUAL(needed, size);
  REFUSED(REFRAIN_CAPACITY, "bytes", refrain_model_save_memory(world.model, target, 0, &needed));
  REFUSED(REFRAIN_ARGUMENT, "capacity",
          refrain_model_save_memory(world.model, target, -1, &scratch.size));
  REFUSED(REFRAIN_ARGUMENT, "capacity",
          refrain_model_save_memory(world.model, target, INT64_MIN, &scratch.size));
  check_unwatch();
  CHECK_OK(refrain_model_save_memory(world.model, target, size, &needed));
  CHECK(memcmp(bytes, target, (size_t)size) == 0);
  free(bytes);
  free(target);
}

static void loading_from_wrong_memory(void) {
  begin();
  int64_t size = 0;
  unsigned char *bytes = model_bytes(world.model, &size);
  refrain_model **model = (refrain_model **)&scratch.handle;
  REFUSED(REFRAIN_ARGUMENT, "size", refrain_model_load_memory(bytes, -1, model));
  REFUSED(REFRAIN_ARGUMENT, "size", refrain_model_load_memory(bytes, INT64_MIN, model));
  REFUSED(REFRAIN_FORMAT, "", refrain_model_load_memory(bytes, 0, model));
  REFUSED(REFRAIN_FORMAT, "", refrain_model_load_memory(bytes, 7, model));
  REFUSED(REFRAIN_FORMAT, "", refrain_model_load_memory(bytes, 8, model));
  REFUSED(EITHER(REFRAIN_FORMAT, REFRAIN_ARGUMENT), "",
          refrain_model_load_memory(bytes, INT64_MAX, model));
  REFUSED(EITHER(REFRAIN_FORMAT, REFRAIN_ARGUMENT), "",
          refrain_model_load_memory(bytes, (int64_t)1 << 62, model));
  unsigned char noise[256];
  uint64_t seed = 5;
  for (int i = 0; i < 256; i++) noise[i] = (unsigned char)next_random(&seed);
  REFUSED(REFRAIN_FORMAT, "", refrain_model_load_memory(noise, sizeof noise, model));
  memset(noise, 0, sizeof noise);
  REFUSED(REFRAIN_FORMAT, "", refrain_model_load_memory(noise, sizeof noise, model));
  memset(noise, 0xFF, sizeof noise);
  REFUSED(REFRAIN_FORMAT, "", refrain_model_load_memory(noise, sizeof noise, model));
  free(bytes);
}

/* A parameter that was spoilt through its own memory must not reach a file. */
static void models_with_nan_are_not_saved(void) {
  begin();
  float *data = NULL;
  REQUIRE_OK(refrain_model_parameter_data(world.model, "dense.bias", &data, NULL));
  data[1] = NAN;
  REQUIRE_OK(refrain_model_parameters_changed(world.model));
  REFUSED(REFRAIN_NOT_FINITE, "dense.bias", refrain_model_save(world.model, temporary_path("nan")));
  int64_t size = 0;
  CHECK(read_file(temporary_path("nan"), &size) == NULL);
  static unsigned char bytes[1 << 16];
  check_watch(bytes, sizeof bytes);
  REFUSED(REFRAIN_NOT_FINITE, "dense.bias",
          refrain_model_save_memory(world.model, bytes, sizeof bytes, &scratch.size));
}

void errors_in_models(void) {
  RUN(descriptions);
  RUN(outputs_for_inputs);
  RUN(attention_that_cannot_be);
  RUN(parameters);
  RUN(attachments);
  RUN(saving_into_too_little_memory);
  RUN(loading_from_wrong_memory);
  RUN(models_with_nan_are_not_saved);
}
