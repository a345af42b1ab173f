/*
 * behaviour_training.c — fits, checkpoints, and loops of the caller's own
 */
#define _GNU_SOURCE
#include "behaviour.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  int events, stop_at, epochs;
  double last_loss, valid_accuracy;
} watch;

static int on_progress(void *user, const refrain_progress *p) {
  watch *w = user;
  w->events++;
  CHECK_SAYING(p->struct_size == (int64_t)sizeof *p, "struct_size %lld", (long long)p->struct_size);
  CHECK_SAYING(isfinite(p->loss) && p->accuracy >= 0 && p->accuracy <= 1, "loss %g, accuracy %g",
               p->loss, p->accuracy);
  CHECK_SAYING(p->sequences <= N && p->batches == 7 && p->batch < 7, "batch %lld of %lld",
               (long long)p->batch, (long long)p->batches);
  if (p->event == REFRAIN_EPOCH_END) {
    w->epochs++;
    w->last_loss = p->loss;
    w->valid_accuracy = p->valid_accuracy;
    CHECK_SAYING(p->sequences == N, "%lld sequences", (long long)p->sequences);
  }
  return w->events == w->stop_at;
}

static void threads_and_interruptions_change_no_bit(void) {
  task train;
  make_task(&train, 1);
  static float reference[4000], values[4000];
  int64_t count = 0;
  const char *options = "loss=crossentropy, optimizer=Adam(0.01), clip_norm=1, seed=5, threads=%d";
  for (int threads = 1; threads <= 3; threads++) {
    char text[128];
    snprintf(text, sizeof text, options, threads);
    refrain_model *model = make_model(classifier, 7);
    refrain_trainer *trainer = make_trainer(model, text);
    CHECK_OK(refrain_trainer_fit(
        trainer, &train.data, NULL,
        threads == 3 ? "epochs=3, batch_size=8, threads=2" : "epochs=3, batch_size=8", NULL, NULL));
    parameters_of(model, threads == 1 ? reference : values, &count);
    CHECK_SAYING(threads == 1 || same_bits(reference, values, (size_t)count),
                 "%d threads gave other bits", threads);
    refrain_trainer_release(trainer);
    refrain_model_release(model);
  }
  /* cancelled in the middle of an epoch, saved, and resumed elsewhere */
  char path[] = "/tmp/refrain-checkpoint-XXXXXX";
  int file = mkstemp(path);
  CHECK_SAYING(file >= 0, "no temporary file");
  close(file);
  char text[128];
  snprintf(text, sizeof text, options, 1);
  refrain_model *model = make_model(classifier, 7), *other = make_model(classifier, 7);
  refrain_trainer *trainer = make_trainer(model, text), *resumed = make_trainer(other, text);
  watch w = {.stop_at = 12};
  REFUSED(
      REFRAIN_CANCELLED, "cancelled",
      refrain_trainer_fit(trainer, &train.data, NULL, "epochs=3, batch_size=8", on_progress, &w));
  CHECK_OK(refrain_trainer_save(trainer, path));
  CHECK_OK(refrain_trainer_load(resumed, path));
  CHECK_OK(refrain_trainer_fit(resumed, &train.data, NULL, "epochs=3, batch_size=8, resume=true",
                               NULL, NULL));
  parameters_of(other, values, &count);
  CHECK_SAYING(same_bits(reference, values, (size_t)count), "a resumed checkpoint gave other bits");
  CHECK_OK(refrain_trainer_fit(trainer, &train.data, NULL, "epochs=3, batch_size=8, resume=true",
                               NULL, NULL));
  parameters_of(model, values, &count);
  CHECK_SAYING(same_bits(reference, values, (size_t)count), "a resumed fit gave other bits");
  refrain_model *wrong =
      make_model("Embedding(9, 6) -> GRU(20) -> Dense(3, activation=softmax)", 7);
  refrain_trainer *stranger = make_trainer(wrong, text);
  REFUSED(REFRAIN_FORMAT, "differ", refrain_trainer_load(stranger, path));
  unlink(path);
  refrain_trainer_release(stranger);
  refrain_trainer_release(resumed);
  refrain_trainer_release(trainer);
  refrain_model_release(wrong);
  refrain_model_release(other);
  refrain_model_release(model);
}

static void a_fit_learns_reports_and_stops(void) {
  task train, valid;
  make_task(&train, 1);
  make_task(&valid, 2);
  refrain_model *model =
      make_model("Embedding(9, 8) -> GRU(24) -> Dense(3, activation=softmax)", 7);
  refrain_trainer *trainer = make_trainer(model, "loss=crossentropy, optimizer=Adam(0.02)");
  watch w = {0};
  CHECK_OK(refrain_trainer_fit(trainer, &train.data, &valid.data, "epochs=20, batch_size=8",
                               on_progress, &w));
  CHECK_SAYING(w.epochs == 20 && w.events == 20 * 8, "%d epochs, %d events", w.epochs, w.events);
  CHECK_SAYING(w.last_loss < 0.1 && w.valid_accuracy > 0.9, "loss %g, accuracy %g", w.last_loss,
               w.valid_accuracy);

  refrain_session *session = make_session(model, "");
  refrain_metrics *metrics = NULL;
  CHECK_OK(
      refrain_session_evaluate(session, &valid.data, "loss=crossentropy, batch_size=7", &metrics));
  double accuracy, confusion[9];
  int64_t classes;
  CHECK_OK(refrain_metrics_value(metrics, "accuracy", -1, &accuracy));
  CHECK_OK(refrain_metrics_confusion(metrics, confusion, 9, &classes));
  CHECK_SAYING(fabs(accuracy - w.valid_accuracy) < 1e-12, "%g and %g", accuracy, w.valid_accuracy);
  double sum = 0;
  for (int i = 0; i < 9; i++) sum += confusion[i];
  CHECK_SAYING(sum == N, "%g in the confusion matrix", sum);
  refrain_metrics_release(metrics);

  /* early stopping: with a learning rate of 0 nothing gets better */
  CHECK_OK(refrain_trainer_set_learning_rate(trainer, 0));
  w = (watch){0};
  CHECK_OK(refrain_trainer_fit(trainer, &train.data, &valid.data,
                               "epochs=20, batch_size=8, patience=2, restore_best=true",
                               on_progress, &w));
  CHECK_SAYING(w.epochs == 3, "stopped after %d epochs", w.epochs);
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
  x = IDS(t->ids[batch * 8], count, STEPS);
  x.lengths = t->lengths + batch * 8;
  y = IDS(t->classes + batch * 8, count);
  out->inputs = &x;
  out->input_count = 1;
  out->targets = &y;
  out->target_count = 1;
  return 0;
}

static void batches_from_a_callback_train_alike(void) {
  task train;
  make_task(&train, 3);
  static float a[4000], b[4000];
  int64_t count = 0;
  for (int i = 0; i < 2; i++) {
    refrain_model *model = make_model(classifier, 7);
    refrain_trainer *trainer =
        make_trainer(model, "loss=crossentropy, optimizer=SGD(0.5, momentum=0.9)");
    refrain_dataset supplied = {
        .struct_size = sizeof supplied, .next_batch = supply, .user = &train};
    CHECK_OK(refrain_trainer_fit(trainer, i ? &supplied : &train.data, i ? &supplied : &train.data,
                                 "epochs=2, batch_size=8, shuffle=false", NULL, NULL));
    parameters_of(model, i ? b : a, &count);
    refrain_trainer_release(trainer);
    refrain_model_release(model);
  }
  CHECK_SAYING(same_bits(a, b, (size_t)count), "batches from a callback gave other bits");
}

/* Gradients against differences, and accumulation, with a loss of the caller's own: Σ y². */
static void gradients_agree_with_differences_and_add_up(void) {
  enum { B = 3, T = 4 };
  refrain_model *model =
      make_model("Input(2) -> LSTM(3, return_sequences=true) -> GRU(4) -> Dense(2)", 7);
  refrain_trainer *trainer = make_trainer(model, "optimizer=SGD(0.01)");
  float x[B][T][2], y[B][2], dx[B][T][2], shifted[2];
  double loss[2];
  fill_random(&x[0][0][0], B * T * 2, 3);
  refrain_tensor in = FLOATS(x, B, T, 2), out = FLOATS(y, B, 2);
  refrain_tensor gradient = FLOATS(dx, B, T, 2);
  (void)shifted;
#define LOSS(result)                                                                 \
  do {                                                                               \
    CHECK_OK(refrain_trainer_forward(trainer, &in, 1, &out, 1));                     \
    result = 0;                                                                      \
    for (int i = 0; i < B * 2; i++) result += (double)(&y[0][0])[i] * (&y[0][0])[i]; \
  } while (0)
  double base;
  LOSS(base);
  for (int i = 0; i < B * 2; i++) (&y[0][0])[i] *= 2;
  CHECK_OK(refrain_trainer_backward(trainer, &out, 1, &gradient, 1));
  float *d;
  int64_t count;
  CHECK_OK(refrain_trainer_gradient_data(trainer, "lstm.weight_hh", &d, &count));
  float once = d[5];
  for (int i = 0; i < B * T * 2; i += 5) {
    float *value = &(&x[0][0][0])[i], old = *value;
    *value = old + 1e-2f;
    LOSS(loss[0]);
    *value = old - 1e-2f;
    LOSS(loss[1]);
    *value = old;
    double expected = (loss[0] - loss[1]) / 2e-2;
    CHECK_SAYING(fabs(expected - (&dx[0][0][0])[i]) < 2e-3 * (1 + fabs(expected)),
                 "input %d: %g and %g", i, expected, (&dx[0][0][0])[i]);
  }
  LOSS(base);
  for (int i = 0; i < B * 2; i++) (&y[0][0])[i] *= 2;
  CHECK_OK(refrain_trainer_backward(trainer, &out, 1, NULL, 0));
  CHECK_SAYING(fabsf(d[5] - 2 * once) < 1e-5f, "two backward passes gave %g, one %g", d[5], once);
  double norm, after;
  CHECK_OK(refrain_trainer_update(trainer, &norm));
  CHECK_SAYING(norm > 0, "norm %g", norm);
  CHECK_SAYING(d[5] == 0, "the gradient was not cleared");
  LOSS(after);
  CHECK_SAYING(after < base, "the loss went from %g to %g", base, after);
  refrain_trainer_release(trainer);
  refrain_model_release(model);
}

void behaviour_of_training(void) {
  RUN(threads_and_interruptions_change_no_bit);
  RUN(a_fit_learns_reports_and_stops);
  RUN(batches_from_a_callback_train_alike);
  RUN(gradients_agree_with_differences_and_add_up);
}
