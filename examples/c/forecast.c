/* forecast.c: forecast a time series, one step ahead
 *
 *     forecast [FILE]
 *
 * FILE has a number on each line; a first line that is no number is a heading. Without it a noisy
 * series with a trend and two seasons is made up. The last fifth is forecast: each value from the
 * 24 before it. The rest is learned from, but for its own last fifth, which tells when to stop. The
 * error is in the series' own units, beside that of the forecast "as the last value"; if the model
 * is not better than that, the program ends with status 1.
 *
 * The network forecasts changes, not levels: a trend leads to levels that it has never seen.
 */
#include <refrain.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 24, FEATURES = 2, LEAST = 5 * WINDOW };

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

/* ---- the series ------------------------------------------------------------------------------ */

/* Roughly normal noise of deviation 1: a sum of twelve uniform numbers. */
static double noise(void) {
  double sum = -6;
  for (int i = 0; i < 12; i++) sum += (double)rand() / (double)RAND_MAX;
  return sum;
}

static float *make_series(int64_t *count) {
  const double pi = acos(-1);
  *count = 1500;
  float *series = malloc((size_t)*count * sizeof *series);
  for (int64_t t = 0; series && t < *count; t++)
    series[t] = (float)(200 + 0.02 * (double)t + 30 * sin(2 * pi * (double)t / 24) +
                        10 * sin(2 * pi * (double)t / 7) + 3 * noise());
  return series;
}

/* Returns NULL after printing why. */
static float *read_series(const char *path, int64_t *count) {
  int64_t room = 1024, line_number = 0;
  float *series = malloc((size_t)room * sizeof *series);
  char line[256], *end;
  int error = !series;
  FILE *file = fopen(path, "r");
  if (!file) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    free(series);
    return NULL;
  }
  while (!error && fgets(line, sizeof line, file)) {
    float value = strtof(line, &end);
    int is_number = end != line && end[strspn(end, " \t\r\n")] == 0 && isfinite(value);
    line_number++;
    if (is_number && *count == room) {
      float *larger = realloc(series, (size_t)(2 * room) * sizeof *series);
      error = !larger;
      series = larger ? larger : series;
      room *= 2;
    }
    if (is_number && !error) {
      series[(*count)++] = value;
    } else if (!is_number && line_number > 1) {
      line[strcspn(line, "\r\n")] = 0;
      fprintf(stderr, "%s:%lld: expected a number, found '%s'\n", path, (long long)line_number,
              line);
      error = 1;
    }
  }
  fclose(file);
  if (!error) return series;
  free(series);
  return NULL;
}

/* ---- windows --------------------------------------------------------------------------------- */

/* A part of the series as the network sees it. */
typedef struct {
  int64_t count;
  float *x; /* [count, WINDOW, FEATURES]: level and change */
  float *y; /* [count, 1]: the change that follows */
  refrain_tensor inputs, targets;
  refrain_dataset dataset;
} part;

/* Cuts `timesteps` rows of scaled [level, change] into windows and the changes behind them. */
static int cut(const float *scaled, int64_t timesteps, part *out) {
  char options[64];
  snprintf(options, sizeof options, "length=%d, horizon=1", WINDOW);
  if (failed(refrain_windows(scaled, timesteps, FEATURES, options, NULL, NULL, &out->count)))
    return -1;
  if (out->count == 0) {
    fprintf(stderr, "%lld values are too few for windows of %d\n", (long long)timesteps, WINDOW);
    return -1;
  }
  out->x = malloc((size_t)(out->count * WINDOW * FEATURES) * sizeof *out->x);
  out->y = malloc((size_t)(out->count * FEATURES) * sizeof *out->y);
  if (!out->x || !out->y ||
      failed(refrain_windows(scaled, timesteps, FEATURES, options, out->x, out->y, &out->count)))
    return -1;
  for (int64_t i = 0; i < out->count; i++) out->y[i] = out->y[i * FEATURES + 1];
  out->inputs = (refrain_tensor){.struct_size = sizeof out->inputs, .data = out->x,
                                 .type = REFRAIN_FLOAT32, .rank = 3,
                                 .shape = {out->count, WINDOW, FEATURES}};
  out->targets = (refrain_tensor){.struct_size = sizeof out->targets, .data = out->y,
                                  .type = REFRAIN_FLOAT32, .rank = 2, .shape = {out->count, 1}};
  out->dataset = (refrain_dataset){.struct_size = sizeof out->dataset, .inputs = &out->inputs,
                                   .input_count = 1, .targets = &out->targets, .target_count = 1};
  return 0;
}

/* Levels with the changes that led to them, [count − 1, FEATURES], scaled by what the first
 * `train_rows` are like. */
static float *scale(const float *series, int64_t count, int64_t train_rows,
                    refrain_scaler *scaler) {
  int64_t rows = count - 1;
  float *table = malloc((size_t)(rows * FEATURES) * sizeof *table);
  for (int64_t t = 0; table && t < rows; t++) {
    table[t * FEATURES] = series[t + 1];
    table[t * FEATURES + 1] = series[t + 1] - series[t];
  }
  if (!table || failed(refrain_scaler_fit(scaler, table, train_rows, FEATURES)) ||
      failed(refrain_scaler_transform(scaler, table, rows, FEATURES, table))) {
    free(table);
    return NULL;
  }
  return table;
}

/* ---- training and forecasting ---------------------------------------------------------------- */

static int fit(refrain_model *model, const part *train, const part *valid) {
  refrain_trainer *trainer = NULL;
  int error = failed(refrain_trainer_create(
                  model, "loss=mse, optimizer=Adam(0.003), clip_norm=1, seed=1", &trainer)) ||
              failed(refrain_trainer_fit(trainer, &train->dataset, &valid->dataset,
                                         "epochs=100, batch_size=32, patience=8, restore_best=true",
                                         NULL, NULL));
  refrain_trainer_release(trainer);
  return error;
}

/* Forecasts the last `test->count` values of the series into `forecasts`, in its own units. */
static int forecast(const refrain_model *model, part *test, const refrain_scaler *scaler,
                    const float *series, int64_t count, float *forecasts) {
  refrain_session *session = NULL;
  refrain_tensor y = test->targets;
  float *changes = calloc((size_t)(test->count * FEATURES), sizeof *changes);
  y.data = forecasts;
  int error = !changes || failed(refrain_session_create(model, NULL, &session)) ||
              failed(refrain_session_run(session, &test->inputs, 1, &y, 1));
  for (int64_t i = 0; !error && i < test->count; i++) changes[i * FEATURES + 1] = forecasts[i];
  error = error || failed(refrain_scaler_inverse(scaler, changes, test->count, FEATURES, changes));
  for (int64_t i = 0; !error && i < test->count; i++)
    forecasts[i] = series[count - test->count + i - 1] + changes[i * FEATURES + 1];
  free(changes);
  refrain_session_release(session);
  return error;
}

static double rmse(const float *truth, const float *forecasts, int64_t count) {
  refrain_metrics *metrics = NULL;
  double value = NAN;
  if (!failed(refrain_metrics_numbers(truth, forecasts, NULL, count, &metrics)))
    failed(refrain_metrics_value(metrics, "rmse", -1, &value));
  refrain_metrics_release(metrics);
  return value;
}

/* Everything from the series to its forecasts and the two errors; returns 0 if the model wins. */
static int compare(const float *series, int64_t count) {
  int64_t rows = count - 1, learned = rows * 4 / 5, fitted = learned * 4 / 5;
  refrain_scaler *scaler = NULL;
  refrain_model *model = NULL;
  part train = {0}, valid = {0}, test = {0};
  float *scaled = NULL, *forecasts = NULL;
  int error =
      failed(refrain_scaler_create("StandardScaler()", &scaler)) ||
      !(scaled = scale(series, count, fitted, scaler)) ||
      cut(scaled, fitted, &train) ||
      cut(scaled + (fitted - WINDOW) * FEATURES, learned - fitted + WINDOW, &valid) ||
      cut(scaled + (learned - WINDOW) * FEATURES, rows - learned + WINDOW, &test) ||
      failed(refrain_model_create("Input(2) -> GRU(24) -> Dense(1)", 1, &model)) ||
      failed(refrain_model_set_scaler(model, "input", scaler)) || fit(model, &train, &valid) ||
      !(forecasts = malloc((size_t)test.count * sizeof *forecasts)) ||
      forecast(model, &test, scaler, series, count, forecasts);
  if (!error) {
    const float *truth = series + count - test.count;
    double model_error = rmse(truth, forecasts, test.count);
    double naive_error = rmse(truth, truth - 1, test.count);
    printf("%lld values to learn from, %lld to forecast.\n"
           "RMSE of the GRU         %10.3f\nRMSE of the last value  %10.3f\n",
           (long long)(count - test.count), (long long)test.count, model_error, naive_error);
    error = !(model_error < naive_error);
    if (error) fputs("the model is no better than the last value\n", stderr);
  }
  part *parts[] = {&train, &valid, &test};
  for (int i = 0; i < 3; i++) {
    free(parts[i]->x);
    free(parts[i]->y);
  }
  free(scaled);
  free(forecasts);
  refrain_scaler_release(scaler);
  refrain_model_release(model);
  return error;
}

int main(int argc, char **argv) {
  int64_t count = 0;
  float *series = argc > 1 ? read_series(argv[1], &count) : make_series(&count);
  int error = !series || count < LEAST;
  if (series && error)
    fprintf(stderr, "expected at least %d values, found %lld\n", LEAST, (long long)count);
  error = error || compare(series, count);
  free(series);
  return error ? 1 : 0;
}
