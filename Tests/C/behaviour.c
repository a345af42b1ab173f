/* behaviour.c: what the library promises, seen from C */
#include "check.h"

#include <dirent.h>
#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static int threads_of_process(void) {
  int count = 0;
  DIR *folder = opendir("/proc/self/task");
  for (struct dirent *entry; folder && (entry = readdir(folder));) count += entry->d_name[0] != '.';
  if (folder) closedir(folder);
  return count;
}

static refrain_session *open_session(refrain_model *model, const char *options) {
  refrain_session *session = NULL;
  OK(refrain_session_create(model, options, &session));
  return session;
}

static int same_bits(const float *a, const float *b, size_t count) {
  return memcmp(a, b, count * sizeof *a) == 0;
}

/* ---- running and streaming --------------------------------------------------------------------- */

static void test_stream_equals_run(void) {
  static const char *const models[] = {
      "Input(3) -> RNN(5)", "Input(3) -> LSTM(17)", "Input(3) -> GRU(16)",
      "Input(3) -> GRU(5, reset_after=false)", "Input(3) -> LSTM(8, return_sequences=true) -> GRU(5)",
      "Input(3) -> Dense(6, activation=relu) -> LayerNorm -> LSTM(4) -> Dense(5, activation=softmax)",
      "Input(3) -> LSTM(6, return_sequences=true) -> Pooling(mean) -> Dense(5)",
      "Input(3) -> LSTM(6, return_sequences=true) -> Pooling(max)",
      "Input(3) -> LSTM(6, return_sequences=true) -> Pooling(last)",
      "x = Input(3)\ns = x -> GRU(4, return_sequences=true)\n[x, s] -> Concat -> LSTM(3)"};
  enum { LANES = 3, T = 6 };
  for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
    refrain_model *model = make(models[m]);
    refrain_tensor shape = {.struct_size = sizeof shape};
    OK(refrain_model_output(model, 0, &shape));
    int64_t size = shape.shape[1];
    float x[LANES][T][3], whole[LANES * 32], y[LANES * 32], frame[LANES][3];
    fill(&x[0][0][0], sizeof x / sizeof(float), (uint32_t)m);
    char options[32];
    snprintf(options, sizeof options, "lanes=%d", LANES);
    refrain_session *session = open_session(model, options);
    for (int round = 0; round < 2; round++) {
      for (int t = 0; t < T; t++) {
        for (int lane = 0; lane < LANES; lane++) memcpy(frame[lane], x[lane][t], sizeof frame[lane]);
        OK(refrain_session_step(session, &frame[0][0], y));
        float prefix[LANES][T][3];
        for (int lane = 0; lane < LANES; lane++)
          memcpy(&((float *)prefix)[lane * (t + 1) * 3], x[lane], (size_t)(t + 1) * 3 * sizeof(float));
        refrain_tensor in = tensor(prefix, REFRAIN_FLOAT32, 3, LANES, t + 1, 3);
        refrain_tensor out = tensor(whole, REFRAIN_FLOAT32, 2, LANES, size, 0);
        OK(refrain_session_run(session, &in, 1, &out, 1));
        for (int64_t i = 0; i < LANES * size; i++)
          CHECK(fabsf(whole[i] - y[i]) < 1e-5f, "%s, timestep %d: %g and %g", models[m], t, whole[i], y[i]);
      }
      OK(refrain_session_reset(session, REFRAIN_ALL_LANES));
    }
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

static void test_lanes(void) {
  refrain_model *model = make("Input(2) -> LSTM(4, return_sequences=true) -> GRU(3)");
  refrain_session *two = open_session(model, "lanes=2"), *one = open_session(model, "");
  float x[4] = {0.5f, -1, 2, 0.25f}, y[6], first[3], second[3];
  OK(refrain_session_step(two, x, y));
  memcpy(second, y + 3, sizeof second);
  OK(refrain_session_step(two, x, y));
  OK(refrain_session_reset(two, 1));
  refrain_session *clone = NULL;
  OK(refrain_session_clone(two, &clone));
  int64_t size = 0;
  FAILS(REFRAIN_CAPACITY, "bytes", refrain_session_save_state(two, NULL, 0, &size));
  char *state = malloc((size_t)size);
  OK(refrain_session_save_state(two, state, size, &size));
  OK(refrain_session_step(two, x, y));
  CHECK(same_bits(y + 3, second, 3), "a reset lane did not start anew");
  for (int i = 0; i < 3; i++) OK(refrain_session_step(one, x, first));
  CHECK(same_bits(y, first, 3), "resetting one lane changed the other");

  float again[6];
  OK(refrain_session_step(clone, x, again));
  CHECK(same_bits(again, y, 6), "a clone went another way");
  OK(refrain_session_load_state(clone, state, size));
  OK(refrain_session_step(clone, x, again));
  CHECK(same_bits(again, y, 6), "a loaded state went another way");
  FAILS(REFRAIN_FORMAT, "shape", refrain_session_load_state(one, state, size));
  refrain_model *other = make("Input(2) -> GRU(3)");
  refrain_session *stranger = open_session(other, "lanes=2");
  FAILS(REFRAIN_FORMAT, "another model", refrain_session_load_state(stranger, state, size));
  state[size / 2] ^= 1;
  state[9] ^= 1;
  CHECK(refrain_session_load_state(clone, state, size) != REFRAIN_OK, "a damaged state was taken");
  free(state);
  refrain_session_release(stranger);
  refrain_session_release(clone);
  refrain_session_release(one);
  refrain_session_release(two);
  refrain_model_release(other);
  refrain_model_release(model);
}

static void test_padding(void) {
  static const char *const models[] = {
      "Input(3) -> Bidirectional(LSTM(5, return_sequences=true)) -> LayerNorm -> GRU(4)",
      "Input(3) -> RNN(4, return_sequences=true, go_backwards=true) -> Pooling(mean)",
      "Input(3) -> GRU(4, return_sequences=true) -> Pooling(max)",
      "Input(3) -> Dense(4) -> LSTM(4)"};
  enum { B = 9, T = 7 };
  for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
    refrain_model *model = make(models[m]);
    refrain_session *session = open_session(model, "threads=2");
    float x[B][T][3], y[B][4], alone[4];
    int64_t lengths[B];
    fill(&x[0][0][0], sizeof x / sizeof(float), 5);
    for (int b = 0; b < B; b++) {
      lengths[b] = b % (T + 1);
      for (int64_t t = lengths[b]; t < T; t++)
        for (int f = 0; f < 3; f++) x[b][t][f] = t % 2 ? NAN : 1e30f;
    }
    refrain_tensor in = tensor(x, REFRAIN_FLOAT32, 3, B, T, 3), out = tensor(y, REFRAIN_FLOAT32, 2, B, 4, 0);
    in.lengths = lengths;
    OK(refrain_session_run(session, &in, 1, &out, 1));
    for (int b = 0; b < B; b++) {
      if (lengths[b] == 0) {
        for (int i = 0; i < 4; i++) CHECK(isfinite(y[b][i]), "%s: length 0 gave %g", models[m], y[b][i]);
        continue;
      }
      refrain_tensor row = tensor(x[b], REFRAIN_FLOAT32, 3, 1, lengths[b], 3);
      refrain_tensor result = tensor(alone, REFRAIN_FLOAT32, 2, 1, 4, 0);
      OK(refrain_session_run(session, &row, 1, &result, 1));
      for (int i = 0; i < 4; i++)
        CHECK(fabsf(alone[i] - y[b][i]) < 1e-5f, "%s, row %d: %g, alone %g", models[m], b, y[b][i], alone[i]);
    }
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* ---- training ---------------------------------------------------------------------------------- */

enum { N = 50, STEPS = 6 };

typedef struct {
  int32_t ids[N][STEPS], classes[N];
  int64_t lengths[N];
  refrain_tensor x, y;
  refrain_dataset data;
} task;

/* Which of three ids came last. */
static void make_task(task *t, uint32_t seed) {
  uint32_t shift = seed;
  for (int i = 0; i < N; i++) {
    t->lengths[i] = 1 + (i + (int)shift) % STEPS;
    for (int s = 0; s < STEPS; s++) t->ids[i][s] = (int32_t)((seed = seed * 1664525u + 1013904223u) >> 16) % 9;
    t->classes[i] = t->ids[i][t->lengths[i] - 1] % 3;
  }
  t->x = tensor(t->ids, REFRAIN_INT32, 2, N, STEPS, 0);
  t->x.lengths = t->lengths;
  t->y = tensor(t->classes, REFRAIN_INT32, 1, N, 0, 0);
  t->data = (refrain_dataset){.struct_size = sizeof t->data, .inputs = &t->x, .input_count = 1,
                              .targets = &t->y, .target_count = 1};
}

static const char *const classifier =
    "Embedding(9, 6) -> LSTM(20, dropout=0.2, recurrent_dropout=0.2) -> Dense(3, activation=softmax)";

static void parameters_of(refrain_model *model, float *values, int64_t *count) {
  int64_t parameters;
  OK(refrain_model_parameter_counts(model, &parameters, count));
  for (int64_t i = 0; i < parameters; i++) {
    char name[64];
    float *data;
    int64_t size;
    OK(refrain_model_parameter(model, i, name, sizeof name, NULL, NULL));
    OK(refrain_model_parameter_data(model, name, &data, &size));
    memcpy(values, data, (size_t)size * sizeof *data);
    values += size;
  }
}

static refrain_trainer *make_trainer(refrain_model *model, const char *options) {
  refrain_trainer *trainer = NULL;
  OK(refrain_trainer_create(model, options, &trainer));
  return trainer;
}

typedef struct { int events, stop_at, epochs; double last_loss, valid_accuracy; } watch;

static int on_progress(void *user, const refrain_progress *p) {
  watch *w = user;
  w->events++;
  CHECK(p->struct_size == (int64_t)sizeof *p, "struct_size %lld", (long long)p->struct_size);
  CHECK(isfinite(p->loss) && p->accuracy >= 0 && p->accuracy <= 1, "loss %g, accuracy %g", p->loss, p->accuracy);
  CHECK(p->sequences <= N && p->batches == 7 && p->batch < 7, "batch %lld of %lld", (long long)p->batch, (long long)p->batches);
  if (p->event == REFRAIN_EPOCH_END) {
    w->epochs++;
    w->last_loss = p->loss;
    w->valid_accuracy = p->valid_accuracy;
    CHECK(p->sequences == N, "%lld sequences", (long long)p->sequences);
  }
  return w->events == w->stop_at;
}

static void test_threads_and_resume(void) {
  task train;
  make_task(&train, 1);
  static float reference[4000], values[4000];
  int64_t count = 0;
  const char *options = "loss=crossentropy, optimizer=Adam(0.01), clip_norm=1, seed=5, threads=%d";
  for (int threads = 1; threads <= 3; threads++) {
    char text[128];
    snprintf(text, sizeof text, options, threads);
    refrain_model *model = make(classifier);
    refrain_trainer *trainer = make_trainer(model, text);
    OK(refrain_trainer_fit(trainer, &train.data, NULL,
                           threads == 3 ? "epochs=3, batch_size=8, threads=2" : "epochs=3, batch_size=8",
                           NULL, NULL));
    parameters_of(model, threads == 1 ? reference : values, &count);
    CHECK(threads == 1 || same_bits(reference, values, (size_t)count), "%d threads gave other bits", threads);
    refrain_trainer_release(trainer);
    refrain_model_release(model);
  }
  /* cancelled in the middle of an epoch, saved, and resumed elsewhere */
  char path[] = "/tmp/refrain-checkpoint-XXXXXX";
  int file = mkstemp(path);
  CHECK(file >= 0, "no temporary file");
  close(file);
  char text[128];
  snprintf(text, sizeof text, options, 1);
  refrain_model *model = make(classifier), *other = make(classifier);
  refrain_trainer *trainer = make_trainer(model, text), *resumed = make_trainer(other, text);
  watch w = {.stop_at = 12};
  FAILS(REFRAIN_CANCELLED, "cancelled",
        refrain_trainer_fit(trainer, &train.data, NULL, "epochs=3, batch_size=8", on_progress, &w));
  OK(refrain_trainer_save(trainer, path));
  OK(refrain_trainer_load(resumed, path));
  OK(refrain_trainer_fit(resumed, &train.data, NULL, "epochs=3, batch_size=8, resume=true", NULL, NULL));
  parameters_of(other, values, &count);
  CHECK(same_bits(reference, values, (size_t)count), "a resumed checkpoint gave other bits");
  OK(refrain_trainer_fit(trainer, &train.data, NULL, "epochs=3, batch_size=8, resume=true", NULL, NULL));
  parameters_of(model, values, &count);
  CHECK(same_bits(reference, values, (size_t)count), "a resumed fit gave other bits");
  refrain_model *wrong = make("Embedding(9, 6) -> GRU(20) -> Dense(3, activation=softmax)");
  refrain_trainer *stranger = make_trainer(wrong, text);
  FAILS(REFRAIN_FORMAT, "differ", refrain_trainer_load(stranger, path));
  unlink(path);
  refrain_trainer_release(stranger);
  refrain_trainer_release(resumed);
  refrain_trainer_release(trainer);
  refrain_model_release(wrong);
  refrain_model_release(other);
  refrain_model_release(model);
}

static void test_fit(void) {
  task train, valid;
  make_task(&train, 1);
  make_task(&valid, 2);
  refrain_model *model = make("Embedding(9, 8) -> GRU(24) -> Dense(3, activation=softmax)");
  refrain_trainer *trainer = make_trainer(model, "loss=crossentropy, optimizer=Adam(0.02)");
  watch w = {0};
  OK(refrain_trainer_fit(trainer, &train.data, &valid.data, "epochs=20, batch_size=8", on_progress, &w));
  CHECK(w.epochs == 20 && w.events == 20 * 8, "%d epochs, %d events", w.epochs, w.events);
  CHECK(w.last_loss < 0.1 && w.valid_accuracy > 0.9, "loss %g, accuracy %g", w.last_loss, w.valid_accuracy);

  refrain_session *session = open_session(model, "");
  refrain_metrics *metrics = NULL;
  OK(refrain_session_evaluate(session, &valid.data, "loss=crossentropy, batch_size=7", &metrics));
  double accuracy, confusion[9];
  int64_t classes;
  OK(refrain_metrics_value(metrics, "accuracy", -1, &accuracy));
  OK(refrain_metrics_confusion(metrics, confusion, 9, &classes));
  CHECK(fabs(accuracy - w.valid_accuracy) < 1e-12, "%g and %g", accuracy, w.valid_accuracy);
  double sum = 0;
  for (int i = 0; i < 9; i++) sum += confusion[i];
  CHECK(sum == N, "%g in the confusion matrix", sum);
  refrain_metrics_release(metrics);

  /* early stopping: with a learning rate of 0 nothing gets better */
  OK(refrain_trainer_set_learning_rate(trainer, 0));
  w = (watch){0};
  OK(refrain_trainer_fit(trainer, &train.data, &valid.data,
                         "epochs=20, batch_size=8, patience=2, restore_best=true", on_progress, &w));
  CHECK(w.epochs == 3, "stopped after %d epochs", w.epochs);
  refrain_session_release(session);
  refrain_trainer_release(trainer);
  refrain_model_release(model);
}

static int supply(void *user, int64_t epoch, int64_t batch, refrain_dataset *out) {
  (void)epoch;
  task *t = user;
  static refrain_tensor x, y;
  if (batch * 8 >= N) return 0;
  int64_t count = N - batch * 8 < 8 ? N - batch * 8 : 8;
  x = tensor(t->ids[batch * 8], REFRAIN_INT32, 2, count, STEPS, 0);
  x.lengths = t->lengths + batch * 8;
  y = tensor(t->classes + batch * 8, REFRAIN_INT32, 1, count, 0, 0);
  out->inputs = &x;
  out->input_count = 1;
  out->targets = &y;
  out->target_count = 1;
  return 0;
}

static void test_supplied_batches(void) {
  task train;
  make_task(&train, 3);
  static float a[4000], b[4000];
  int64_t count = 0;
  for (int i = 0; i < 2; i++) {
    refrain_model *model = make(classifier);
    refrain_trainer *trainer = make_trainer(model, "loss=crossentropy, optimizer=SGD(0.5, momentum=0.9)");
    refrain_dataset supplied = {.struct_size = sizeof supplied, .next_batch = supply, .user = &train};
    OK(refrain_trainer_fit(trainer, i ? &supplied : &train.data, i ? &supplied : &train.data,
                           "epochs=2, batch_size=8, shuffle=false", NULL, NULL));
    parameters_of(model, i ? b : a, &count);
    refrain_trainer_release(trainer);
    refrain_model_release(model);
  }
  CHECK(same_bits(a, b, (size_t)count), "batches from a callback gave other bits");
}

/* Gradients against differences, and accumulation, with a loss of the caller's own: Σ y². */
static void test_own_loop(void) {
  enum { B = 3, T = 4 };
  refrain_model *model = make("Input(2) -> LSTM(3, return_sequences=true) -> GRU(4) -> Dense(2)");
  refrain_trainer *trainer = make_trainer(model, "optimizer=SGD(0.01)");
  float x[B][T][2], y[B][2], dx[B][T][2], shifted[2];
  double loss[2];
  fill(&x[0][0][0], B * T * 2, 3);
  refrain_tensor in = tensor(x, REFRAIN_FLOAT32, 3, B, T, 2), out = tensor(y, REFRAIN_FLOAT32, 2, B, 2, 0);
  refrain_tensor gradient = tensor(dx, REFRAIN_FLOAT32, 3, B, T, 2);
  (void)shifted;
#define LOSS(result)                                                   \
  do {                                                                 \
    OK(refrain_trainer_forward(trainer, &in, 1, &out, 1));             \
    result = 0;                                                        \
    for (int i = 0; i < B * 2; i++) result += (double)(&y[0][0])[i] * (&y[0][0])[i]; \
  } while (0)
  double base;
  LOSS(base);
  for (int i = 0; i < B * 2; i++) (&y[0][0])[i] *= 2;
  OK(refrain_trainer_backward(trainer, &out, 1, &gradient, 1));
  float *d;
  int64_t count;
  OK(refrain_trainer_gradient_data(trainer, "lstm.weight_hh", &d, &count));
  float once = d[5];
  for (int i = 0; i < B * T * 2; i += 5) {
    float *value = &(&x[0][0][0])[i], old = *value;
    *value = old + 1e-2f;
    LOSS(loss[0]);
    *value = old - 1e-2f;
    LOSS(loss[1]);
    *value = old;
    double expected = (loss[0] - loss[1]) / 2e-2;
    CHECK(fabs(expected - (&dx[0][0][0])[i]) < 2e-3 * (1 + fabs(expected)), "input %d: %g and %g", i, expected, (&dx[0][0][0])[i]);
  }
  LOSS(base);
  for (int i = 0; i < B * 2; i++) (&y[0][0])[i] *= 2;
  OK(refrain_trainer_backward(trainer, &out, 1, NULL, 0));
  CHECK(fabsf(d[5] - 2 * once) < 1e-5f, "two backward passes gave %g, one %g", d[5], once);
  double norm, after;
  OK(refrain_trainer_update(trainer, &norm));
  CHECK(norm > 0, "norm %g", norm);
  CHECK(d[5] == 0, "the gradient was not cleared");
  LOSS(after);
  CHECK(after < base, "the loss went from %g to %g", base, after);
  refrain_trainer_release(trainer);
  refrain_model_release(model);
}

/* ---- files and lifetimes ----------------------------------------------------------------------- */

static void test_files(void) {
  task t;
  make_task(&t, 4);
  refrain_model *model = make("Embedding(9, 4, mask_zero=true) -> Bidirectional(GRU(5)) -> Dense(3, activation=softmax)");
  refrain_tokenizer *tokenizer = NULL, *back = NULL;
  OK(refrain_tokenizer_create("num_words=5, oov_token='<unk>', maxlen=6", &tokenizer));
  OK(refrain_tokenizer_fit(tokenizer, (const char *[]){"the cat sat", "the dog é"}, 2));
  OK(refrain_model_set_tokenizer(model, tokenizer));
  OK(refrain_model_set_labels(model, (const char *[]){"a", "b\n\"c\"", "ü"}, 3));
  refrain_scaler *scaler = NULL;
  OK(refrain_scaler_create("MinMaxScaler(-1, 1)", &scaler));
  OK(refrain_scaler_fit(scaler, (float[]){1, 3}, 2, 1));
  OK(refrain_model_set_scaler(model, "target", scaler));
  int64_t size = 0, again = 0;
  FAILS(REFRAIN_CAPACITY, "bytes", refrain_model_save_memory(model, NULL, 0, &size));
  char *bytes = malloc((size_t)size), *second = malloc((size_t)size);
  OK(refrain_model_save_memory(model, bytes, size, &size));
  refrain_model *loaded = NULL;
  OK(refrain_model_load_memory(bytes, size, &loaded));
  OK(refrain_model_save_memory(loaded, second, size, &again));
  CHECK(size == again && memcmp(bytes, second, (size_t)size) == 0, "a loaded model saves to other bytes");
  char label[32], json[4096], json2[4096];
  OK(refrain_model_label(loaded, 1, label, sizeof label, NULL));
  CHECK(strcmp(label, "b\n\"c\"") == 0, "label '%s'", label);
  OK(refrain_model_tokenizer(loaded, &back));
  OK(refrain_tokenizer_json(tokenizer, json, sizeof json, NULL));
  OK(refrain_tokenizer_json(back, json2, sizeof json2, NULL));
  CHECK(strcmp(json, json2) == 0, "the tokenizer changed");
  refrain_scaler *scaler2 = NULL;
  OK(refrain_model_scaler(loaded, "target", &scaler2));
  float scaled;
  OK(refrain_scaler_transform(scaler2, (float[]){2.5f}, 1, 1, &scaled));
  CHECK(scaled == 0.5f, "scaled to %g", scaled);

  refrain_session *s1 = open_session(model, ""), *s2 = open_session(loaded, "threads=2");
  refrain_model_release(loaded);
  float y1[N][3], y2[N][3];
  refrain_tensor o1 = tensor(y1, REFRAIN_FLOAT32, 2, N, 3, 0), o2 = tensor(y2, REFRAIN_FLOAT32, 2, N, 3, 0);
  OK(refrain_session_run(s1, &t.x, 1, &o1, 1));
  OK(refrain_session_run(s2, &t.x, 1, &o2, 1));
  CHECK(same_bits(&y1[0][0], &y2[0][0], N * 3), "a loaded model predicts other bits");

  /* one more owner */
  OK(refrain_model_retain(model));
  refrain_model_release(model);
  int64_t n;
  OK(refrain_model_label_count(model, &n));
  refrain_model_release(model);
  FAILS(REFRAIN_HANDLE, "released", refrain_model_label_count(model, &n));
  OK(refrain_session_run(s1, &t.x, 1, &o2, 1));
  CHECK(same_bits(&y1[0][0], &y2[0][0], N * 3), "a session lost its model");

  char text[256], canonical[256];
  refrain_model *graph = make("a=Input(3);b = a->LSTM( 4,return_sequences = true , dropout=0.50)\n[a,b]->Concat->Dense(2)");
  OK(refrain_model_notation(graph, text, sizeof text, NULL));
  refrain_model *copy = make(text);
  OK(refrain_model_notation(copy, canonical, sizeof canonical, NULL));
  CHECK(strcmp(text, canonical) == 0, "'%s' became '%s'", text, canonical);
  CHECK(strcmp(text, "a = Input(3)\nb = a -> LSTM(4, return_sequences=true, dropout=0.5)\n[a, b] -> Concat -> Dense(2)") == 0,
        "canonical text '%s'", text);
  refrain_model_release(graph);
  refrain_model_release(copy);
  refrain_session_release(s1);
  refrain_session_release(s2);
  refrain_scaler_release(scaler);
  refrain_scaler_release(scaler2);
  refrain_tokenizer_release(tokenizer);
  refrain_tokenizer_release(back);
  free(bytes);
  free(second);
}

static void test_set_parameter(void) {
  refrain_model *model = make("Input(2) -> GRU(3) -> Dense(1)");
  refrain_session *session = open_session(model, "");
  float x[2] = {1, -1}, y0, y1, y2, *bias;
  OK(refrain_session_step(session, x, &y0));
  OK(refrain_session_reset(session, 0));
  OK(refrain_model_set_parameter(model, "dense.bias", (float[]){10}, 1));
  OK(refrain_session_step(session, x, &y1));
  CHECK(fabsf(y1 - y0 - 10) < 1e-5f, "set: %g and %g", y0, y1);
  OK(refrain_session_reset(session, 0));
  OK(refrain_model_parameter_data(model, "gru.bias_ih", &bias, NULL));
  for (int i = 0; i < 3; i++) bias[3 + i] = 100; /* z = 1: the state stays 0 */
  OK(refrain_model_parameters_changed(model));
  OK(refrain_session_step(session, x, &y2));
  CHECK(fabsf(y2 - 10) < 1e-5f, "written through the pointer: %g", y2);
  refrain_session_release(session);
  refrain_model_release(model);
}

/* ---- the host process -------------------------------------------------------------------------- */

static task shared_task;
static float expected[N][3];

static void *run_often(void *model) {
  refrain_session *session = open_session(model, "threads=2");
  float y[N][3];
  refrain_tensor out = tensor(y, REFRAIN_FLOAT32, 2, N, 3, 0);
  int differs = 0;
  for (int i = 0; i < 30; i++) {
    if (refrain_session_run(session, &shared_task.x, 1, &out, 1)) differs++;
    differs += !same_bits(&y[0][0], &expected[0][0], N * 3);
  }
  refrain_session_release(session);
  return (void *)(intptr_t)differs;
}

static void test_concurrent_sessions(void) {
  make_task(&shared_task, 9);
  refrain_model *model = make(classifier);
  refrain_session *session = open_session(model, "");
  refrain_tensor out = tensor(expected, REFRAIN_FLOAT32, 2, N, 3, 0);
  OK(refrain_session_run(session, &shared_task.x, 1, &out, 1));
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, run_often, model);
  for (int i = 0; i < 3; i++) {
    void *differs;
    pthread_join(threads[i], &differs);
    CHECK(differs == NULL, "%d runs differ beside other sessions", (int)(intptr_t)differs);
  }
  refrain_session_release(session);
  refrain_model_release(model);
}

static void test_process(void) {
  CHECK(threads_of_process() == 1, "%d threads", threads_of_process());
  sigset_t mask_before, mask_after;
  fenv_t fenv_before, fenv_after;
  sigprocmask(SIG_BLOCK, NULL, &mask_before);
  fegetenv(&fenv_before);
  const char *locale = setlocale(LC_ALL, NULL);
  task t;
  make_task(&t, 6);
  refrain_model *model = make(classifier);
  float y[N][3];
  refrain_tensor out = tensor(y, REFRAIN_FLOAT32, 2, N, 3, 0);
  refrain_session *one = open_session(model, "");
  OK(refrain_session_run(one, &t.x, 1, &out, 1));
  CHECK(threads_of_process() == 1, "%d threads with threads=1", threads_of_process());
  refrain_session *three = open_session(model, "threads=3");
  OK(refrain_session_run(three, &t.x, 1, &out, 1));
  CHECK(threads_of_process() == 3, "%d threads with threads=3", threads_of_process());
  refrain_trainer *trainer = make_trainer(model, "loss=crossentropy, threads=2");
  CHECK(threads_of_process() == 4, "%d threads with a trainer beside", threads_of_process());
  OK(refrain_trainer_fit(trainer, &t.data, NULL, "", NULL, NULL));

  pid_t child = fork();
  if (child == 0) {
    refrain_status status = refrain_session_run(three, &t.x, 1, &out, 1);
    if (!status) status = refrain_trainer_fit(trainer, &t.data, &t.data, "epochs=2", NULL, NULL);
    refrain_session_release(three);
    refrain_trainer_release(trainer);
    _exit(status ? 1 : 0);
  }
  int status = -1;
  for (int i = 0; i < 200 && waitpid(child, &status, WNOHANG) == 0; i++) usleep(50000);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked child ended with %d", status);

  refrain_session_release(three);
  refrain_session_release(one);
  refrain_trainer_release(trainer);
  refrain_model_release(model);
  CHECK(threads_of_process() == 1, "%d threads are left", threads_of_process());
  sigprocmask(SIG_BLOCK, NULL, &mask_after);
  fegetenv(&fenv_after);
  for (int signal = 1; signal < 32; signal++)
    CHECK(sigismember(&mask_before, signal) == sigismember(&mask_after, signal),
          "the mask of signal %d changed", signal);
#ifdef __x86_64__
  /* the sticky exception flags of MXCSR aside */
  CHECK((fenv_before.__mxcsr & ~0x3fu) == (fenv_after.__mxcsr & ~0x3fu), "MXCSR changed");
#endif
  CHECK(strcmp(locale, setlocale(LC_ALL, NULL)) == 0, "the locale changed");
}

int main(void) {
  test_process();
  test_stream_equals_run();
  test_lanes();
  test_padding();
  test_threads_and_resume();
  test_fit();
  test_supplied_batches();
  test_own_loop();
  test_files();
  test_set_parameter();
  test_concurrent_sessions();
  return finish("behaviour");
}
