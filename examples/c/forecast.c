/* forecast.c: forecast a series with a GRU, and compare with the naive forecast
 *
 *     forecast [FILE]
 *
 * FILE has one number a line; without it, a noisy seasonal series is made. The last fifth is kept for
 * testing. Everything is learned from the rest: the scale, then the GRU, which reads 24 values and
 * forecasts the next. The naive forecast is the last value; the program fails if it is not beaten.
 */
#include <refrain.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LENGTH = 24, MADE = 1500 };

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

/* A slow and a fast season, and noise. */
static float *make_series(int64_t *count) {
  float *series = malloc(MADE * sizeof *series);
  unsigned state = 7;
  for (int t = 0; series && t < MADE; t++) {
    state = state * 1664525u + 1013904223u;
    double noise = (double)(state >> 8) / 16777216 - 0.5;
    series[t] = (float)(20 + 6 * sin(t * 6.283185 / 24) + 3 * sin(t * 6.283185 / 7) + noise);
  }
  *count = MADE;
  return series;
}

static float *read_series(const char *path, int64_t *count) {
  FILE *file = fopen(path, "r");
  if (!file) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return NULL;
  }
  float *series = NULL;
  char line[256], *end;
  int64_t room = 0, number = 0;
  *count = 0;
  while (fgets(line, sizeof line, file)) {
    number++;
    float value = strtof(line, &end);
    if (end == line || (*end != '\n' && *end != '\r' && *end != 0)) {
      fprintf(stderr, "%s:%lld: expected a number\n", path, (long long)number);
      free(series);
      series = NULL;
      break;
    }
    if (*count == room) {
      room = room ? 2 * room : 1024;
      float *larger = realloc(series, (size_t)room * sizeof *series);
      if (!larger) break;
      series = larger;
    }
    series[(*count)++] = value;
  }
  fclose(file);
  return series;
}

/* Windows of a scaled series, with the value that follows each. */
static int cut(const float *series, int64_t count, float **x, float **y, int64_t *windows) {
  char options[32];
  snprintf(options, sizeof options, "length=%d, horizon=1", LENGTH);
  if (failed(refrain_windows(series, count, 1, options, NULL, NULL, windows))) return -1;
  *x = malloc((size_t)(*windows * LENGTH + 1) * sizeof **x);
  *y = malloc((size_t)(*windows + 1) * sizeof **y);
  return !*x || !*y || failed(refrain_windows(series, count, 1, options, *x, *y, windows)) ? -1 : 0;
}

static int forecast(const float *series, int64_t count) {
  int64_t split = count * 4 / 5, trains, tests;
  float *scaled = malloc((size_t)count * sizeof *scaled);
  float *x = NULL, *y = NULL, *xt = NULL, *yt = NULL, *found = NULL;
  refrain_scaler *scaler = NULL;
  refrain_model *model = NULL;
  refrain_trainer *trainer = NULL;
  refrain_session *session = NULL;
  int error = !scaled || failed(refrain_scaler_create("StandardScaler()", &scaler)) ||
              failed(refrain_scaler_fit(scaler, series, split, 1)) ||
              failed(refrain_scaler_transform(scaler, series, count, 1, scaled)) ||
              cut(scaled, split, &x, &y, &trains) ||
              cut(scaled + split - LENGTH, count - split + LENGTH, &xt, &yt, &tests);
  if (!error && (trains < 50 || tests < 10)) {
    fprintf(stderr, "a series of %lld values is too short\n", (long long)count);
    error = 1;
  }
  if (!error) {
    refrain_tensor in = {sizeof in, x, REFRAIN_FLOAT32, 3, {trains, LENGTH, 1}, NULL, NULL};
    refrain_tensor target = {sizeof target, y, REFRAIN_FLOAT32, 2, {trains, 1}, NULL, NULL};
    refrain_dataset data = {sizeof data, &in, 1, &target, 1, NULL, NULL, NULL};
    found = malloc((size_t)tests * sizeof *found);
    refrain_tensor test = {sizeof test, xt, REFRAIN_FLOAT32, 3, {tests, LENGTH, 1}, NULL, NULL};
    refrain_tensor answer = {sizeof answer, found, REFRAIN_FLOAT32, 2, {tests, 1}, NULL, NULL};
    error = !found || failed(refrain_model_create("Input(1) -> GRU(32) -> Dense(1)", 3, &model)) ||
            failed(refrain_trainer_create(model, "loss=mse, optimizer=Adam(0.005), clip_norm=1",
                                          &trainer)) ||
            failed(refrain_trainer_fit(trainer, &data, NULL, "epochs=20, batch_size=32", NULL, NULL)) ||
            failed(refrain_session_create(model, NULL, &session)) ||
            failed(refrain_session_run(session, &test, 1, &answer, 1)) ||
            failed(refrain_scaler_inverse(scaler, found, tests, 1, found));
  }
  if (!error) {
    double ours = 0, naive = 0;
    for (int64_t i = 0; i < tests; i++) {
      double truth = series[split + i], last = series[split + i - 1];
      ours += (found[i] - truth) * (found[i] - truth);
      naive += (last - truth) * (last - truth);
    }
    ours = sqrt(ours / (double)tests);
    naive = sqrt(naive / (double)tests);
    printf("root mean squared error on %lld values: GRU %.4g, last value %.4g\n", (long long)tests,
           ours, naive);
    error = !(ours < naive);
  }
  refrain_session_release(session);
  refrain_trainer_release(trainer);
  refrain_model_release(model);
  refrain_scaler_release(scaler);
  free(scaled);
  free(x);
  free(y);
  free(xt);
  free(yt);
  free(found);
  return error;
}

int main(int argc, char **argv) {
  if (argc > 2 || (argc == 2 && strcmp(argv[1], "--help") == 0)) {
    puts("usage: forecast [FILE]");
    return argc > 2 ? 2 : 0;
  }
  int64_t count = 0;
  float *series = argc == 2 ? read_series(argv[1], &count) : make_series(&count);
  int error = !series || forecast(series, count);
  free(series);
  return error;
}
