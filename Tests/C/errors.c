/* errors.c: whatever a caller gets wrong is answered with a status and a message */
#include "check.h"

#include <pthread.h>

enum { B = 2, T = 3, F = 4, H = 5, C = 3 };
static const int64_t HUGE_SIZE = INT64_MAX, LARGE = (int64_t)1 << 62;

static float x[B * T * F], y[B * C], target[B * C];
static int32_t classes[B] = {0, 2};
static refrain_model *model;
static refrain_session *session;
static refrain_trainer *trainer;
static refrain_tokenizer *tokenizer;
static refrain_scaler *scaler;

static refrain_tensor input(void) { return tensor(x, REFRAIN_FLOAT32, 3, B, T, F); }
static refrain_tensor output(void) { return tensor(y, REFRAIN_FLOAT32, 2, B, C, 0); }
static refrain_tensor truth(void) { return tensor(classes, REFRAIN_INT32, 1, B, 0, 0); }

static refrain_dataset dataset(refrain_tensor *inputs, refrain_tensor *targets) {
  refrain_dataset d = {.struct_size = sizeof d, .inputs = inputs, .input_count = 1,
                       .targets = targets, .target_count = 1};
  return d;
}

/* ---- NULL and handles -------------------------------------------------------------------------- */

static void test_null(void) {
  refrain_tensor in = input(), out = output(), t = truth();
  refrain_dataset d = dataset(&in, &t);
  refrain_model *m;
  refrain_session *s;
  refrain_trainer *r;
  refrain_tokenizer *k;
  refrain_scaler *sc;
  refrain_metrics *me;
  int64_t n;
  int32_t id;
  double v;
  float *data;
  const char *texts[] = {"a b", NULL};
#define NULLS(call) FAILS(REFRAIN_NULL_POINTER, "NULL", call)
  NULLS(refrain_model_create(NULL, 0, &m));
  NULLS(refrain_model_create("Input(3) -> Dense(1)", 0, NULL));
  NULLS(refrain_model_load(NULL, &m));
  NULLS(refrain_model_load("x", NULL));
  NULLS(refrain_model_load_memory(NULL, 8, &m));
  NULLS(refrain_model_load_memory("12345678", 8, NULL));
  NULLS(refrain_model_save(NULL, "x"));
  NULLS(refrain_model_save(model, NULL));
  NULLS(refrain_model_save_memory(model, NULL, 0, NULL));
  NULLS(refrain_model_save_memory(NULL, NULL, 0, &n));
  NULLS(refrain_model_retain(NULL));
  NULLS(refrain_model_notation(NULL, NULL, 0, &n));
  NULLS(refrain_model_summary(NULL, NULL, 0, &n));
  NULLS(refrain_model_counts(NULL, &n, &n));
  NULLS(refrain_model_input(model, 0, NULL));
  NULLS(refrain_model_input(NULL, 0, &in));
  NULLS(refrain_model_output(model, 0, NULL));
  NULLS(refrain_model_output(NULL, 0, &out));
  NULLS(refrain_model_parameter_counts(NULL, &n, &n));
  NULLS(refrain_model_parameter(NULL, 0, NULL, 0, &n, NULL));
  NULLS(refrain_model_get_parameter(model, NULL, y, 1));
  NULLS(refrain_model_get_parameter(model, "lstm.bias_ih", NULL, 4 * H));
  NULLS(refrain_model_get_parameter(NULL, "lstm.bias_ih", y, 4 * H));
  NULLS(refrain_model_set_parameter(model, NULL, y, 1));
  NULLS(refrain_model_set_parameter(model, "lstm.bias_ih", NULL, 4 * H));
  NULLS(refrain_model_set_parameter(NULL, "lstm.bias_ih", y, 4 * H));
  NULLS(refrain_model_parameter_data(model, "lstm.bias_ih", NULL, &n));
  NULLS(refrain_model_parameter_data(model, NULL, &data, &n));
  NULLS(refrain_model_parameter_data(NULL, "lstm.bias_ih", &data, &n));
  NULLS(refrain_model_parameters_changed(NULL));
  NULLS(refrain_model_set_tokenizer(NULL, tokenizer));
  NULLS(refrain_model_tokenizer(model, NULL));
  NULLS(refrain_model_tokenizer(NULL, &k));
  NULLS(refrain_model_set_scaler(model, NULL, scaler));
  NULLS(refrain_model_set_scaler(NULL, "input", scaler));
  NULLS(refrain_model_scaler(model, "input", NULL));
  NULLS(refrain_model_scaler(model, NULL, &sc));
  NULLS(refrain_model_set_labels(model, NULL, C));
  NULLS(refrain_model_label_count(model, NULL));
  NULLS(refrain_model_label_count(NULL, &n));
  NULLS(refrain_session_create(NULL, "", &s));
  NULLS(refrain_session_create(model, "", NULL));
  NULLS(refrain_session_run(NULL, &in, 1, &out, 1));
  NULLS(refrain_session_run(session, NULL, 1, &out, 1));
  NULLS(refrain_session_run(session, &in, 1, NULL, 1));
  NULLS(refrain_session_step(NULL, x, y));
  NULLS(refrain_session_step(session, NULL, y));
  NULLS(refrain_session_step(session, x, NULL));
  NULLS(refrain_session_step_ids(session, NULL, y));
  NULLS(refrain_session_step_ids(NULL, classes, y));
  NULLS(refrain_session_step_tensors(session, NULL, 1, &out, 1));
  NULLS(refrain_session_step_tensors(NULL, &in, 1, &out, 1));
  NULLS(refrain_session_reset(NULL, 0));
  NULLS(refrain_session_clone(session, NULL));
  NULLS(refrain_session_clone(NULL, &s));
  NULLS(refrain_session_save_state(NULL, NULL, 0, &n));
  NULLS(refrain_session_load_state(session, NULL, 8));
  NULLS(refrain_session_evaluate(session, NULL, "loss=mse", &me));
  NULLS(refrain_session_evaluate(session, &d, "loss=crossentropy", NULL));
  NULLS(refrain_trainer_create(NULL, "", &r));
  NULLS(refrain_trainer_create(model, "", NULL));
  NULLS(refrain_trainer_fit(NULL, &d, NULL, "", NULL, NULL));
  NULLS(refrain_trainer_fit(trainer, NULL, NULL, "", NULL, NULL));
  NULLS(refrain_trainer_forward(NULL, &in, 1, NULL, 0));
  NULLS(refrain_trainer_forward(trainer, NULL, 1, NULL, 0));
  NULLS(refrain_trainer_backward(NULL, &out, 1, NULL, 0));
  NULLS(refrain_trainer_backward_loss(NULL, &t, 1, NULL, &v, NULL, 0));
  NULLS(refrain_trainer_update(NULL, NULL));
  NULLS(refrain_trainer_zero_gradients(NULL));
  NULLS(refrain_trainer_gradient_data(trainer, NULL, &data, &n));
  NULLS(refrain_trainer_gradient_data(trainer, "lstm.bias_ih", NULL, &n));
  NULLS(refrain_trainer_learning_rate(trainer, NULL));
  NULLS(refrain_trainer_learning_rate(NULL, &v));
  NULLS(refrain_trainer_set_learning_rate(NULL, 1));
  NULLS(refrain_trainer_updates(trainer, NULL));
  NULLS(refrain_trainer_report(NULL, 1));
  NULLS(refrain_trainer_notation(NULL, NULL, 0, &n));
  NULLS(refrain_trainer_save(trainer, NULL));
  NULLS(refrain_trainer_save(NULL, "x"));
  NULLS(refrain_trainer_load(trainer, NULL));
  NULLS(refrain_metrics_classes(classes, classes, NULL, NULL, B, C, NULL));
  NULLS(refrain_metrics_classes(NULL, classes, NULL, NULL, B, C, &me));
  NULLS(refrain_metrics_classes(classes, NULL, NULL, NULL, B, C, &me));
  NULLS(refrain_metrics_numbers(NULL, x, NULL, B, &me));
  NULLS(refrain_metrics_numbers(x, x, NULL, B, NULL));
  NULLS(refrain_metrics_value(NULL, "loss", -1, &v));
  NULLS(refrain_metrics_confusion(NULL, NULL, 0, &n));
  NULLS(refrain_tokenizer_create("", NULL));
  NULLS(refrain_tokenizer_fit(tokenizer, NULL, 1));
  NULLS(refrain_tokenizer_fit(tokenizer, texts, 2));
  NULLS(refrain_tokenizer_fit(NULL, texts, 1));
  NULLS(refrain_tokenizer_encode(tokenizer, NULL, &id, 1, &n));
  NULLS(refrain_tokenizer_encode(tokenizer, "a", &id, 1, NULL));
  NULLS(refrain_tokenizer_encode(tokenizer, "a", NULL, 1, &n));
  NULLS(refrain_tokenizer_encode_batch(tokenizer, NULL, 1, &id, 1, &n));
  NULLS(refrain_tokenizer_decode(tokenizer, NULL, 1, NULL, 0, &n));
  NULLS(refrain_tokenizer_size(tokenizer, NULL));
  NULLS(refrain_tokenizer_maxlen(tokenizer, NULL));
  NULLS(refrain_tokenizer_id(tokenizer, NULL, &id));
  NULLS(refrain_tokenizer_id(tokenizer, "a", NULL));
  NULLS(refrain_tokenizer_word(NULL, 1, NULL, 0, &n));
  NULLS(refrain_tokenizer_matrix(tokenizer, texts, 1, NULL, &v, 1));
  NULLS(refrain_tokenizer_matrix(tokenizer, texts, 1, "count", NULL, 100));
  NULLS(refrain_tokenizer_json(NULL, NULL, 0, &n));
  NULLS(refrain_tokenizer_from_json(NULL, &k));
  NULLS(refrain_tokenizer_from_json("{}", NULL));
  NULLS(refrain_pad_sequences(REFRAIN_INT32, classes, NULL, 1, "", classes, 2));
  NULLS(refrain_pad_sequences(REFRAIN_INT32, classes, (int64_t[]){2}, 1, "", NULL, 2));
  NULLS(refrain_pad_sequences(REFRAIN_INT32, NULL, (int64_t[]){2}, 1, "", classes, 2));
  NULLS(refrain_windows(NULL, 10, 1, "length=2", x, y, &n));
  NULLS(refrain_windows(x, 10, 1, "length=2", NULL, NULL, NULL));
  NULLS(refrain_scaler_create(NULL, &sc));
  NULLS(refrain_scaler_create("StandardScaler()", NULL));
  NULLS(refrain_scaler_fit(scaler, NULL, 1, 1));
  NULLS(refrain_scaler_transform(scaler, NULL, 1, 1, y));
  NULLS(refrain_scaler_inverse(scaler, x, 1, 1, NULL));
  refrain_model_release(NULL);
  refrain_session_release(NULL);
  refrain_trainer_release(NULL);
  refrain_tokenizer_release(NULL);
  refrain_scaler_release(NULL);
  refrain_metrics_release(NULL);
}

static void test_handles(void) {
  int64_t n;
  refrain_model *gone = make("Input(3) -> Dense(1)");
  refrain_model *garbage = (refrain_model *)(uintptr_t)0x1234, *address = (refrain_model *)(void *)x;
  refrain_model_release(gone);
  FAILS(REFRAIN_HANDLE, "released", refrain_model_counts(gone, &n, &n));
  refrain_model_release(gone);
  FAILS(REFRAIN_HANDLE, "model", refrain_model_counts(garbage, &n, &n));
  FAILS(REFRAIN_HANDLE, "model", refrain_model_counts(address, &n, &n));
  FAILS(REFRAIN_HANDLE, "refrain_session", refrain_model_counts((refrain_model *)session, &n, &n));
  FAILS(REFRAIN_HANDLE, "refrain_model", refrain_session_reset((refrain_session *)model, 0));
  FAILS(REFRAIN_HANDLE, "trainer", refrain_trainer_update((refrain_trainer *)tokenizer, NULL));
  refrain_session_release((refrain_session *)model);
  OK(refrain_model_counts(model, &n, &n));
  refrain_model *next = make("Input(3) -> Dense(1)");
  FAILS(REFRAIN_HANDLE, "released", refrain_model_counts(gone, &n, &n));
  refrain_model_release(next);
}

/* ---- arrays ------------------------------------------------------------------------------------ */

static void test_arrays(void) {
  for (size_t i = 0; i < B * C; i++) y[i] = -77;
  refrain_tensor in = input(), out = output();
#define RUN refrain_session_run(session, &in, 1, &out, 1)
#define WITH(expected, text, change) \
  do {                               \
    in = input(), out = output();    \
    change;                          \
    FAILS(expected, text, RUN);      \
  } while (0)
  WITH(REFRAIN_ARGUMENT, "struct_size", in.struct_size = 0);
  WITH(REFRAIN_ARGUMENT, "struct_size", in.struct_size = 8);
  WITH(REFRAIN_ARGUMENT, "struct_size", in.struct_size = HUGE_SIZE);
  WITH(REFRAIN_ARGUMENT, "type", in.type = 9);
  WITH(REFRAIN_SHAPE, "float32", in.type = REFRAIN_INT32);
  WITH(REFRAIN_ARGUMENT, "rank", in.rank = 0);
  WITH(REFRAIN_ARGUMENT, "rank", in.rank = 9);
  WITH(REFRAIN_ARGUMENT, "rank", in.rank = -1);
  WITH(REFRAIN_SHAPE, "shape", in.rank = 2);
  WITH(REFRAIN_SHAPE, "[2, any, 4]", in.shape[2] = F + 1);
  WITH(REFRAIN_ARGUMENT, "shape", in.shape[1] = -1);
  WITH(REFRAIN_ARGUMENT, "shape", in.shape[1] = HUGE_SIZE);
  WITH(REFRAIN_ARGUMENT, "shape", in.shape[0] = LARGE);
  WITH(REFRAIN_ARGUMENT, "timesteps", in.shape[1] = 0);
  WITH(REFRAIN_NULL_POINTER, "data", in.data = NULL);
  WITH(REFRAIN_NULL_POINTER, "data", out.data = NULL);
  WITH(REFRAIN_SHAPE, "outputs", out.shape[0] = B + 1);
  WITH(REFRAIN_SHAPE, "outputs", out.shape[1] = C - 1);
  WITH(REFRAIN_SHAPE, "outputs", out.type = REFRAIN_INT32);
  int64_t lengths[B] = {1, T + 1};
  WITH(REFRAIN_ARGUMENT, "lengths[1]", in.lengths = lengths);
  lengths[1] = -1;
  WITH(REFRAIN_ARGUMENT, "lengths[1]", in.lengths = lengths);
  in = input(), out = output();
  FAILS(REFRAIN_SHAPE, "inputs", refrain_session_run(session, &in, 0, &out, 1));
  FAILS(REFRAIN_SHAPE, "outputs", refrain_session_run(session, &in, 1, &out, 0));
  FAILS(REFRAIN_ARGUMENT, "inputs", refrain_session_run(session, &in, -1, &out, 1));
  FAILS(REFRAIN_ARGUMENT, "inputs", refrain_session_run(session, &in, HUGE_SIZE, &out, 1));
  for (size_t i = 0; i < B * C; i++) CHECK(y[i] == -77, "output %zu was written", i);

  /* no sequences: nothing to do */
  in = tensor(x, REFRAIN_FLOAT32, 3, 0, T, F), out = tensor(y, REFRAIN_FLOAT32, 2, 0, C, 0);
  OK(RUN);
  FAILS(REFRAIN_ARGUMENT, "sequences", refrain_trainer_forward(trainer, &in, 1, NULL, 0));

  /* ids */
  refrain_model *words = make("Embedding(10, 3) -> LSTM(2)");
  refrain_session *run = NULL;
  OK(refrain_session_create(words, "", &run));
  int32_t ids[2][2] = {{0, 9}, {10, 0}};
  refrain_tensor bad = tensor(ids, REFRAIN_INT32, 2, 2, 2, 0), o = tensor(y, REFRAIN_FLOAT32, 2, 2, 2, 0);
  FAILS(REFRAIN_ARGUMENT, "[1, 0]", refrain_session_run(run, &bad, 1, &o, 1));
  ids[1][0] = -1;
  FAILS(REFRAIN_ARGUMENT, "found -1", refrain_session_run(run, &bad, 1, &o, 1));
  ids[1][0] = INT32_MAX;
  FAILS(REFRAIN_ARGUMENT, "2147483647", refrain_session_run(run, &bad, 1, &o, 1));
  int64_t only[2] = {2, 0};
  bad.lengths = only;
  OK(refrain_session_run(run, &bad, 1, &o, 1));
  int32_t one = 10;
  FAILS(REFRAIN_ARGUMENT, "ids[0]", refrain_session_step_ids(run, &one, y));
  FAILS(REFRAIN_SHAPE, "int32", refrain_session_step(run, x, y));
  FAILS(REFRAIN_SHAPE, "float32", refrain_session_step_ids(session, ids[0], y));
  refrain_session_release(run);
  refrain_model_release(words);

  refrain_model *ends = make("Input(2) -> Bidirectional(GRU(2))");
  OK(refrain_session_create(ends, "", &run));
  FAILS(REFRAIN_UNSUPPORTED, "bidirectional", refrain_session_step(run, x, y));
  refrain_session_release(run);
  refrain_model_release(ends);
}

/* ---- notation ---------------------------------------------------------------------------------- */

static void test_notation(void) {
  static const struct { const char *text, *message; } bad[] = {
      {"", "at least one layer"},
      {"Input(3) -> LSTN(4)", "did you mean 'LSTM'"},
      {"Input(3) -> LSTM(4, dropuot=0.1)", "did you mean 'dropout'"},
      {"Input(3) -> LSTM(4, dropout=1)", "expected a number"},
      {"Input(3) -> LSTM(4.5)", "expected an integer"},
      {"Input(3) -> LSTM(0)", "found 0"},
      {"Input(3) -> LSTM(-3)", "found -3"},
      {"Input(3) -> LSTM(99999999999999999999)", "64 bits"},
      {"Input(3) -> LSTM()", "needs 'units'"},
      {"Input(3) -> LSTM(4, units=4)", "twice"},
      {"Input(3) -> LSTM(4, activation=tanhh)", "did you mean 'tanh'"},
      {"Input(3) -> LSTM(4", "')'"},
      {"Input(3) -> ", "expected a layer"},
      {"Input(3) -> LSTM(4) LSTM(4)", "'->'"},
      {"LSTM(4)", "begin with Input"},
      {"Input(3) -> Dense(4) -> LSTM(4) -> LSTM(4)", "float input [batch, timesteps"},
      {"x = Input(3)\ny -> LSTM(3)", "y"},
      {"x = Input(3)\nx = Input(4)", "twice"},
      {"Input(ids)", "not ids"},
      {"Input(3) -> Embedding(3, 3)", "ids"},
      {"Input(3) -> Bidirectional(Dense(3))", "Bidirectional takes"},
      {"[a, b] = Input(3)", "2 names for 1"},
      {"Input(3) -> Dense(4, name=a) -> Dense(4, name=a)", "named"},
      {"Input(3) -> LSTM(4, activation=softmax)", "each element"},
      {"Input(3) -> Dense('a)", "closing"},
      {"Input(3) @ Dense(3)", "unexpected character '@'"},
      {"((((((((((((((((((((((((((((((((((((((((((((((((((", "expected"},
  };
  refrain_model *m = (refrain_model *)(uintptr_t)77;
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    FAILS(REFRAIN_NOTATION, bad[i].message, refrain_model_create(bad[i].text, 0, &m));
    CHECK(strstr(refrain_last_error(), "line ") && strstr(refrain_last_error(), "column ") &&
              strchr(refrain_last_error(), '^'),
          "no place in '%s'", refrain_last_error());
  }
  CHECK(m == (refrain_model *)(uintptr_t)77, "the output was written");
  FAILS(REFRAIN_ARGUMENT, "UTF-8", refrain_model_create("Input(3) -> \xff", 0, &m));
  FAILS(REFRAIN_MEMORY, "too many", refrain_model_create("Input(ids) -> Embedding(2000000000, 2000000000)", 0, &m));
  FAILS(REFRAIN_NOTATION, "too many", refrain_model_create("Input(2000000000) -> LSTM(2000000000)", 0, &m));
  FAILS(REFRAIN_MEMORY, "bytes of memory", refrain_model_create("Input(2000000) -> Dense(2000000)", 0, &m));

  refrain_trainer *t;
  FAILS(REFRAIN_NOTATION, "did you mean 'optimizer'", refrain_trainer_create(model, "optimiser=SGD", &t));
  FAILS(REFRAIN_NOTATION, "did you mean 'Adam'", refrain_trainer_create(model, "optimizer=Adan", &t));
  FAILS(REFRAIN_NOTATION, "names", refrain_trainer_create(model, "5", &t));
  FAILS(REFRAIN_NOTATION, "threads", refrain_trainer_create(model, "threads=0", &t));
  FAILS(REFRAIN_SHAPE, "losses", refrain_trainer_create(model, "loss=[mse, mse]", &t));
  FAILS(REFRAIN_UNSUPPORTED, "softmax", refrain_trainer_create(model, "loss=binary_crossentropy", &t));
  FAILS(REFRAIN_ARGUMENT, "class_weights",
        refrain_trainer_create(model, "loss=crossentropy(class_weights=[1, 2])", &t));
  refrain_session *s;
  FAILS(REFRAIN_NOTATION, "lanes", refrain_session_create(model, "lanes=0", &s));
  FAILS(REFRAIN_NOTATION, "lines", refrain_session_create(model, "lines=1", &s));
  FAILS(REFRAIN_NOTATION, "epochs", refrain_trainer_fit(trainer, &(refrain_dataset){.struct_size = sizeof(refrain_dataset), .inputs = (refrain_tensor[]){input()}, .input_count = 1, .targets = (refrain_tensor[]){truth()}, .target_count = 1}, NULL, "epochs=0", NULL, NULL));

  char text[16];
  int64_t length = 0;
  FAILS(REFRAIN_CAPACITY, "bytes", refrain_model_notation(model, NULL, 0, &length));
  CHECK(length > 0, "no length");
  FAILS(REFRAIN_CAPACITY, "bytes", refrain_model_notation(model, text, sizeof text, &length));
  FAILS(REFRAIN_ARGUMENT, "capacity", refrain_model_notation(model, text, -1, &length));
  FAILS(REFRAIN_NAME, "LSTM", refrain_describe("LSTN", text, sizeof text, &length));
}

/* ---- names, order, values ---------------------------------------------------------------------- */

static void test_names(void) {
  float values[64];
  float *data;
  int64_t n;
  refrain_tokenizer *k;
  refrain_scaler *s;
  refrain_tensor info = {.struct_size = sizeof info};
  FAILS(REFRAIN_NAME, "did you mean 'lstm.weight_hh'", refrain_model_get_parameter(model, "lstm.weight_hhh", values, 1));
  FAILS(REFRAIN_SHAPE, "lstm.bias_ih", refrain_model_get_parameter(model, "lstm.bias_ih", values, 3));
  FAILS(REFRAIN_ARGUMENT, "count", refrain_model_get_parameter(model, "lstm.bias_ih", values, -1));
  for (int i = 0; i < 4 * H; i++) values[i] = 0;
  values[7] = NAN;
  FAILS(REFRAIN_NOT_FINITE, "lstm.bias_ih", refrain_model_set_parameter(model, "lstm.bias_ih", values, 4 * H));
  FAILS(REFRAIN_NAME, "parameter", refrain_trainer_gradient_data(trainer, "x", &data, &n));
  FAILS(REFRAIN_ARGUMENT, "index", refrain_model_input(model, 1, &info));
  FAILS(REFRAIN_ARGUMENT, "index", refrain_model_output(model, -1, &info));
  FAILS(REFRAIN_ARGUMENT, "index", refrain_model_parameter(model, 99, NULL, 0, &n, NULL));
  FAILS(REFRAIN_ARGUMENT, "index", refrain_model_label(model, 0, NULL, 0, &n));
  info.struct_size = 1;
  FAILS(REFRAIN_ARGUMENT, "struct_size", refrain_model_input(model, 0, &info));
  FAILS(REFRAIN_NAME, "role", refrain_model_scaler(model, "middle", &s));
  FAILS(REFRAIN_ORDER, "no tokenizer", refrain_model_tokenizer(model, &k));
  FAILS(REFRAIN_ORDER, "scaler", refrain_model_scaler(model, "input", &s));
  FAILS(REFRAIN_SHAPE, "labels", refrain_model_set_labels(model, (const char *[]){"a", "b"}, 2));
  FAILS(REFRAIN_ARGUMENT, "lane", refrain_session_reset(session, 1));
  FAILS(REFRAIN_ARGUMENT, "lane", refrain_session_reset(session, -2));
  FAILS(REFRAIN_FORMAT, "", refrain_session_load_state(session, "12345678", 8));
  FAILS(REFRAIN_ARGUMENT, "size", refrain_session_load_state(session, "12345678", -8));
}

static void test_order(void) {
  refrain_tensor in = input(), out = output(), t = truth();
  refrain_dataset d = dataset(&in, &t);
  refrain_trainer *fresh = NULL;
  OK(refrain_trainer_create(model, "", &fresh));
  FAILS(REFRAIN_ORDER, "forward", refrain_trainer_backward(fresh, &out, 1, NULL, 0));
  FAILS(REFRAIN_ORDER, "backward", refrain_trainer_update(fresh, NULL));
  FAILS(REFRAIN_ORDER, "loss", refrain_trainer_fit(fresh, &d, NULL, "", NULL, NULL));
  OK(refrain_trainer_forward(fresh, &in, 1, NULL, 0));
  FAILS(REFRAIN_ORDER, "loss", refrain_trainer_backward_loss(fresh, &t, 1, NULL, NULL, NULL, 0));
  FAILS(REFRAIN_SHAPE, "output_gradients", refrain_trainer_backward(fresh, NULL, 0, NULL, 0));
  OK(refrain_trainer_backward(fresh, &out, 1, NULL, 0));
  FAILS(REFRAIN_ORDER, "forward", refrain_trainer_backward(fresh, &out, 1, NULL, 0));
  OK(refrain_trainer_update(fresh, NULL));
  FAILS(REFRAIN_ORDER, "backward", refrain_trainer_update(fresh, NULL));
  FAILS(REFRAIN_ORDER, "resume", refrain_trainer_fit(trainer, &d, NULL, "resume=true", NULL, NULL));
  FAILS(REFRAIN_ARGUMENT, "learning_rate", refrain_trainer_set_learning_rate(fresh, NAN));
  FAILS(REFRAIN_ARGUMENT, "learning_rate", refrain_trainer_set_learning_rate(fresh, -1));
  FAILS(REFRAIN_ARGUMENT, "metric", refrain_trainer_report(fresh, INFINITY));
  float *gradient;
  int64_t n;
  OK(refrain_trainer_gradient_data(fresh, "dense.bias", &gradient, &n));
  gradient[0] = NAN;
  FAILS(REFRAIN_NOT_FINITE, "dense.bias", refrain_trainer_update(fresh, NULL));
  refrain_trainer_release(fresh);

  classes[1] = C;
  FAILS(REFRAIN_ARGUMENT, "targets[1]", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
  classes[1] = -1;
  FAILS(REFRAIN_ARGUMENT, "targets[1]", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
  classes[1] = 2;
  float weights[B] = {1, -1};
  refrain_tensor w = tensor(weights, REFRAIN_FLOAT32, 1, B, 0, 0);
  d.sample_weights = &w;
  FAILS(REFRAIN_ARGUMENT, "sample_weights[1]", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
  weights[1] = NAN;
  FAILS(REFRAIN_ARGUMENT, "sample_weights[1]", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
  w.shape[0] = 1;
  FAILS(REFRAIN_SHAPE, "sample_weights", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
  d.sample_weights = NULL;
  d.struct_size = 1;
  FAILS(REFRAIN_ARGUMENT, "struct_size", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
  d = dataset(&in, &t);
  d.target_count = 0;
  FAILS(REFRAIN_SHAPE, "targets", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
  t.shape[0] = B + 1;
  d.target_count = 1;
  FAILS(REFRAIN_SHAPE, "targets", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));

  /* a loss that is not finite names the step and the layer */
  t = truth();
  x[5] = INFINITY;
  FAILS(REFRAIN_NOT_FINITE, "update 1", refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
  CHECK(strstr(refrain_last_error(), "lstm"), "found '%s'", refrain_last_error());
  x[5] = 0;
  OK(refrain_trainer_fit(trainer, &d, NULL, "", NULL, NULL));
}

static void test_data(void) {
  int64_t n, lengths[2] = {2, -1};
  int32_t ids[8];
  double matrix[8];
  float out[16];
  const char *texts[] = {"one two", "bad \xc3"};
  refrain_tokenizer *k;
  refrain_scaler *s;
  refrain_metrics *m;
  FAILS(REFRAIN_NOTATION, "num_words", refrain_tokenizer_create("num_words=0", &k));
  FAILS(REFRAIN_NOTATION, "padding", refrain_tokenizer_create("padding=middle", &k));
  FAILS(REFRAIN_ARGUMENT, "split", refrain_tokenizer_create("split=''", &k));
  FAILS(REFRAIN_ARGUMENT, "texts[1]", refrain_tokenizer_fit(tokenizer, texts, 2));
  FAILS(REFRAIN_ARGUMENT, "count", refrain_tokenizer_fit(tokenizer, texts, -1));
  FAILS(REFRAIN_CAPACITY, "ids", refrain_tokenizer_encode(tokenizer, "one two", ids, 1, &n));
  CHECK(n == 2, "found %lld", (long long)n);
  FAILS(REFRAIN_ARGUMENT, "maxlen", refrain_tokenizer_encode_batch(tokenizer, texts, 1, ids, -1, NULL));
  FAILS(REFRAIN_ARGUMENT, "too many", refrain_tokenizer_encode_batch(tokenizer, texts, LARGE, ids, LARGE, NULL));
  FAILS(REFRAIN_NAME, "id 99", refrain_tokenizer_word(tokenizer, 99, NULL, 0, &n));
  FAILS(REFRAIN_NAME, "id -1", refrain_tokenizer_word(tokenizer, -1, NULL, 0, &n));
  FAILS(REFRAIN_ARGUMENT, "mode", refrain_tokenizer_matrix(tokenizer, texts, 1, "counts", matrix, 8));
  FAILS(REFRAIN_CAPACITY, "matrix", refrain_tokenizer_matrix(tokenizer, texts, 1, "count", matrix, 1));
  FAILS(REFRAIN_FORMAT, "tokenizer", refrain_tokenizer_from_json("{", &k));
  FAILS(REFRAIN_FORMAT, "filters", refrain_tokenizer_from_json("{\"num_words\":null}", &k));
  FAILS(REFRAIN_ARGUMENT, "lengths[1]", refrain_pad_sequences(REFRAIN_INT32, ids, lengths, 2, "", ids, 2));
  FAILS(REFRAIN_ARGUMENT, "type", refrain_pad_sequences(7, ids, lengths, 1, "", ids, 2));
  FAILS(REFRAIN_ARGUMENT, "value", refrain_pad_sequences(REFRAIN_INT32, ids, lengths, 1, "value=0.5", ids, 2));
  FAILS(REFRAIN_ARGUMENT, "too many", refrain_pad_sequences(REFRAIN_INT32, ids, lengths, LARGE, "", ids, LARGE));
  FAILS(REFRAIN_NOTATION, "length", refrain_windows(x, 10, 1, "", out, out, &n));
  FAILS(REFRAIN_NOTATION, "stride", refrain_windows(x, 10, 1, "length=2, stride=0", out, out, &n));
  FAILS(REFRAIN_ARGUMENT, "features", refrain_windows(x, 10, -1, "length=2", out, out, &n));
  OK(refrain_windows(x, 3, 1, "length=2147483647, horizon=2147483647", out, out, &n));
  CHECK(n == 0, "found %lld", (long long)n);
  FAILS(REFRAIN_NOTATION, "scaler", refrain_scaler_create("Standard()", &s));
  FAILS(REFRAIN_ARGUMENT, "minimum", refrain_scaler_create("MinMaxScaler(1, 1)", &s));
  FAILS(REFRAIN_ORDER, "fit", refrain_scaler_transform(scaler, x, 1, 1, out));
  FAILS(REFRAIN_ARGUMENT, "rows", refrain_scaler_fit(scaler, x, 0, 1));
  FAILS(REFRAIN_ARGUMENT, "too many", refrain_scaler_fit(scaler, x, LARGE, LARGE));
  FAILS(REFRAIN_ARGUMENT, "x[0, 1]", refrain_scaler_fit(scaler, (float[]){1, NAN}, 1, 2));
  FAILS(REFRAIN_ARGUMENT, "classes", refrain_metrics_classes(classes, classes, NULL, NULL, B, 0, &m));
  FAILS(REFRAIN_ARGUMENT, "classes", refrain_metrics_classes(classes, classes, NULL, NULL, B, HUGE_SIZE, &m));
  FAILS(REFRAIN_ARGUMENT, "truth[1]", refrain_metrics_classes(classes, classes, NULL, NULL, B, 2, &m));
  FAILS(REFRAIN_ARGUMENT, "count", refrain_metrics_numbers(x, x, NULL, -1, &m));
  OK(refrain_metrics_numbers(x, x, NULL, 2, &m));
  FAILS(REFRAIN_NAME, "f1", refrain_metrics_value(m, "f1", -1, matrix));
  refrain_metrics_release(m);
  OK(refrain_metrics_classes(classes, classes, NULL, NULL, B, C, &m));
  FAILS(REFRAIN_ARGUMENT, "index", refrain_metrics_value(m, "f1", C, matrix));
  FAILS(REFRAIN_NAME, "log_loss", refrain_metrics_value(m, "log_loss", -1, matrix));
  FAILS(REFRAIN_CAPACITY, "counts", refrain_metrics_confusion(m, matrix, 8, &n));
  CHECK(n == C, "found %lld", (long long)n);
  refrain_metrics_release(m);
}

static void *other_thread(void *message) {
  refrain_model *m;
  strcpy(message, refrain_last_error());
  refrain_model_create(NULL, 0, &m);
  return NULL;
}

static void test_messages(void) {
  char before[512], there[512];
  refrain_model *m;
  FAILS(REFRAIN_NOTATION, "LSTN", refrain_model_create("LSTN", 0, &m));
  snprintf(before, sizeof before, "%s", refrain_last_error());
  pthread_t thread;
  pthread_create(&thread, NULL, other_thread, there);
  pthread_join(thread, NULL);
  CHECK(strcmp(there, "") == 0, "another thread had '%s'", there);
  CHECK(strcmp(before, refrain_last_error()) == 0, "the message changed");
  for (int i = 0; i <= REFRAIN_INTERNAL; i++)
    CHECK(strncmp(refrain_status_name(i), "REFRAIN_", 8) == 0, "status %d has no name", i);
  CHECK(strcmp(refrain_status_name(-1), "unknown status") == 0, "status −1 has a name");
  CHECK(strcmp(refrain_status_name(999), "unknown status") == 0, "status 999 has a name");
}

int main(void) {
  CHECK(strcmp(refrain_last_error(), "") == 0, "a message before the first error");
  fill(x, B * T * F, 1);
  fill(target, B * C, 2);
  model = make("Input(4) -> LSTM(5) -> Dense(3, activation=softmax)");
  OK(refrain_session_create(model, "", &session));
  OK(refrain_trainer_create(model, "loss=crossentropy", &trainer));
  OK(refrain_tokenizer_create("", &tokenizer));
  OK(refrain_tokenizer_fit(tokenizer, (const char *[]){"one two"}, 1));
  OK(refrain_scaler_create("StandardScaler()", &scaler));
  test_null();
  test_handles();
  test_arrays();
  test_notation();
  test_names();
  test_order();
  test_data();
  test_messages();
  refrain_scaler_release(scaler);
  refrain_tokenizer_release(tokenizer);
  refrain_trainer_release(trainer);
  refrain_session_release(session);
  refrain_model_release(model);
  return finish("errors");
}
