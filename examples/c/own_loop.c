/* own_loop.c: a training loop and a loss of one's own
 *
 * The library runs the model forward, takes any gradient with respect to its outputs back through
 * it, and updates the parameters. What the loss is, is this program's business: here the quantile
 * loss (Koenker & Bassett 1978), whose minimum is not the mean but the q-th quantile of what may
 * follow. With q = 0.9 nine of ten true values lie below the forecast.
 *
 *     L(y, ŷ) = max(q (y − ŷ), (q − 1) (y − ŷ))       dL/dŷ = 1 − q where y < ŷ, otherwise −q
 *
 * Each update adds up the gradients of several batches, as one does when a batch does not fit in
 * memory. The program ends with status 1 if the forecasts do not come out as quantiles.
 */
#include <refrain.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 32, ACCUMULATED = 4, TIMESTEPS = 12, UPDATES = 400, TEST = 2000 };

static const float quantile = 0.9f;

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

static float uniform(void) { return (float)rand() / (float)RAND_MAX; }

/* Sequences that drift at a rate of their own, x [count, TIMESTEPS, 1], and where the drift leads,
 * y [count, 1], give or take up to one. */
static void make_batch(float *x, float *y, int64_t count) {
  for (int64_t i = 0; i < count; i++) {
    float level = uniform() - 0.5f, drift = 0.2f * (uniform() - 0.5f);
    for (int64_t t = 0; t < TIMESTEPS; t++) x[i * TIMESTEPS + t] = level + drift * (float)t;
    y[i] = level + drift * TIMESTEPS + 2 * uniform() - 1;
  }
}

/* The mean loss of a batch, and `share` of its derivative. */
static double quantile_loss(const float *y, const float *forecast, int64_t count, float share,
                            float *gradient) {
  double sum = 0;
  for (int64_t i = 0; i < count; i++) {
    float error = y[i] - forecast[i];
    sum += fmax(quantile * error, (quantile - 1) * error);
    gradient[i] = (error < 0 ? 1 - quantile : -quantile) * share / (float)count;
  }
  return sum / (double)count;
}

static refrain_tensor sequences(float *x, int64_t count) {
  return (refrain_tensor){.struct_size = sizeof(refrain_tensor), .data = x,
                          .type = REFRAIN_FLOAT32, .rank = 3, .shape = {count, TIMESTEPS, 1}};
}

static refrain_tensor values(float *y, int64_t count) {
  return (refrain_tensor){.struct_size = sizeof(refrain_tensor), .data = y,
                          .type = REFRAIN_FLOAT32, .rank = 2, .shape = {count, 1}};
}

/* One update from ACCUMULATED batches; their mean loss goes to *loss. */
static int update(refrain_trainer *trainer, double *loss, double *gradient_norm) {
  static float x[BATCH * TIMESTEPS], y[BATCH], forecast[BATCH], gradient[BATCH];
  refrain_tensor input = sequences(x, BATCH), output = values(forecast, BATCH);
  refrain_tensor output_gradient = values(gradient, BATCH);
  *loss = 0;
  for (int i = 0; i < ACCUMULATED; i++) {
    make_batch(x, y, BATCH);
    if (failed(refrain_trainer_forward(trainer, &input, 1, &output, 1))) return -1;
    *loss += quantile_loss(y, forecast, BATCH, 1.0f / ACCUMULATED, gradient) / ACCUMULATED;
    if (failed(refrain_trainer_backward(trainer, &output_gradient, 1, NULL, 0))) return -1;
  }
  return failed(refrain_trainer_update(trainer, gradient_norm)) ? -1 : 0;
}

/* The length of a parameter's vector, read from the model's own memory. */
static int parameter_norm(refrain_model *model, const char *name, double *norm) {
  float *numbers;
  int64_t count;
  if (failed(refrain_model_parameter_data(model, name, &numbers, &count))) return -1;
  double sum = 0;
  for (int64_t i = 0; i < count; i++) sum += (double)numbers[i] * (double)numbers[i];
  *norm = sqrt(sum);
  return 0;
}

/* The share of true values below the forecasts for sequences that are new. */
static int measure(const refrain_model *model, double *share) {
  static float x[TEST * TIMESTEPS], y[TEST], forecast[TEST];
  refrain_tensor input = sequences(x, TEST), output = values(forecast, TEST);
  refrain_session *session = NULL;
  make_batch(x, y, TEST);
  int error = failed(refrain_session_create(model, NULL, &session)) ||
              failed(refrain_session_run(session, &input, 1, &output, 1));
  refrain_session_release(session);
  int below = 0;
  for (int i = 0; i < TEST; i++) below += y[i] < forecast[i];
  *share = (double)below / TEST;
  return error ? -1 : 0;
}

static int train(refrain_model *model, refrain_trainer *trainer) {
  double loss, gradient_norm, weights, share;
  for (int i = 1; i <= UPDATES; i++) {
    if (update(trainer, &loss, &gradient_norm)) return -1;
    if (i == 1 || i % 100 == 0) {
      if (parameter_norm(model, "gru.weight_hh", &weights)) return -1;
      printf("update %3d  loss %.4f  norm of the gradient %.4f, of gru.weight_hh %.4f\n", i, loss,
             gradient_norm, weights);
    }
  }
  if (measure(model, &share)) return -1;
  printf("%.1f %% of new values are below their forecasts; it should be %.0f %%.\n", 100 * share,
         100 * (double)quantile);
  return fabs(share - (double)quantile) <= 0.04 ? 0 : -1;
}

int main(void) {
  refrain_model *model = NULL;
  refrain_trainer *trainer = NULL;
  char options[128];
  snprintf(options, sizeof options,
           "optimizer=Adam(0.01), schedule=Cosine(%d, per=update), clip_norm=1", UPDATES);
  int error = failed(refrain_model_create("Input(1) -> GRU(16) -> Dense(1)", 1, &model)) ||
              failed(refrain_trainer_create(model, options, &trainer)) ||
              train(model, trainer);
  refrain_trainer_release(trainer);
  refrain_model_release(model);
  if (error) fputs("own_loop: failed\n", stderr);
  return error ? 1 : 0;
}
