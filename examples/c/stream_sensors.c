/* stream_sensors.c: run a model over live sensors, one frame at a time
 *
 *     stream_sensors [MODEL]
 *
 * Every sensor is a lane of one session. A step takes one frame of each and gives the model's
 * answer so far; it allocates nothing and waits for nobody, so it may stand in an audio or control
 * loop. When a sensor is restarted its lane is reset, and the others go on.
 *
 * Without a MODEL that takes frames of numbers, a small one with random parameters is made, saved
 * and loaded again. The program checks itself: what the lanes gave frame by frame must be what the
 * model gives for the same frames at once. It ends with status 1 if it is not.
 */
#include <refrain.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LANES = 4, FRAMES = 200, RESTARTED_LANE = 2, RESTART = 80 };

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

/* A model for frames of six numbers that tells three conditions apart, by way of a file's bytes as
 * another program would receive them. */
static refrain_model *make_model(void) {
  refrain_model *model = NULL, *loaded = NULL;
  int64_t size = 0;
  char *bytes = NULL;
  int error = failed(refrain_model_create("Input(6) -> GRU(24, return_sequences=true) -> LSTM(16)"
                                          " -> Dense(3, activation=softmax)",
                                          1, &model)) ||
              refrain_model_save_memory(model, NULL, 0, &size) != REFRAIN_CAPACITY ||
              !(bytes = malloc((size_t)size)) ||
              failed(refrain_model_save_memory(model, bytes, size, &size)) ||
              failed(refrain_model_load_memory(bytes, size, &loaded));
  free(bytes);
  refrain_model_release(model);
  return error ? NULL : loaded;
}

/* How many numbers a frame has and how many the answer; 0, or -1 after printing why. */
static int read_sizes(const refrain_model *model, int64_t *features, int64_t *outputs) {
  refrain_tensor input = {.struct_size = sizeof input}, output = {.struct_size = sizeof output};
  if (failed(refrain_model_input(model, 0, &input)) ||
      failed(refrain_model_output(model, 0, &output)))
    return -1;
  if (input.type != REFRAIN_FLOAT32 || input.rank != 3 || output.rank != 2) {
    fputs("the model must take [batch, timesteps, features] and give [batch, outputs]\n", stderr);
    return -1;
  }
  *features = input.shape[2];
  *outputs = output.shape[1];
  return 0;
}

/* Stands for the driver that fills a frame: a slow wave with noise, different for each sensor. */
static void read_frame(float *frame, int64_t features, int lane, int time) {
  for (int64_t i = 0; i < features; i++)
    frame[i] = sinf(0.05f * (float)(time * (lane + 1)) + (float)i) +
               0.1f * ((float)rand() / (float)RAND_MAX - 0.5f);
}

/* The model's answer to the frames first … FRAMES − 1 of a lane, all at once. */
static int run_at_once(refrain_session *session, const float *frames, int64_t features, int lane,
                       int first, float *answer, int64_t outputs) {
  int64_t timesteps = FRAMES - first;
  float *sequence = malloc((size_t)(timesteps * features) * sizeof *sequence);
  if (!sequence) return -1;
  for (int64_t t = 0; t < timesteps; t++)
    memcpy(sequence + t * features, frames + ((first + t) * LANES + lane) * features,
           (size_t)features * sizeof *sequence);
  refrain_tensor x = {.struct_size = sizeof x, .data = sequence, .type = REFRAIN_FLOAT32,
                      .rank = 3, .shape = {1, timesteps, features}};
  refrain_tensor y = {.struct_size = sizeof y, .data = answer, .type = REFRAIN_FLOAT32, .rank = 2,
                      .shape = {1, outputs}};
  int error = failed(refrain_session_run(session, &x, 1, &y, 1));
  free(sequence);
  return error ? -1 : 0;
}

/* Streams all frames, then compares each lane's last answer. Returns the largest difference, or a
 * negative number after an error. */
static double stream(refrain_session *session, int64_t features, int64_t outputs, float *frames,
                     float *answers, float *expected) {
  for (int t = 0; t < FRAMES; t++) {
    float *frame = frames + (int64_t)t * LANES * features; /* [LANES, features] */
    for (int lane = 0; lane < LANES; lane++) read_frame(frame + lane * features, features, lane, t);
    if (t == RESTART && failed(refrain_session_reset(session, RESTARTED_LANE))) return -1;
    if (failed(refrain_session_step(session, frame, answers))) return -1;
  }
  double largest = 0;
  for (int lane = 0; lane < LANES; lane++) {
    int first = lane == RESTARTED_LANE ? RESTART : 0;
    if (run_at_once(session, frames, features, lane, first, expected, outputs)) return -1;
    printf("lane %d, frames %3d to %d:", lane, first, FRAMES - 1);
    for (int64_t k = 0; k < outputs; k++) {
      double difference = fabs((double)answers[lane * outputs + k] - (double)expected[k]);
      if (!(difference <= largest)) largest = difference; /* NaN as well */
      printf(" %.4f", answers[lane * outputs + k]);
    }
    puts("");
  }
  return largest;
}

int main(int argc, char **argv) {
  const double tolerance = 1e-5;
  refrain_model *model = NULL;
  refrain_session *session = NULL;
  int64_t features = 0, outputs = 0;
  char options[32];
  if (argc > 1 ? failed(refrain_model_load(argv[1], &model)) : !(model = make_model())) return 1;
  snprintf(options, sizeof options, "lanes=%d", LANES);
  int error = read_sizes(model, &features, &outputs) ||
              failed(refrain_session_create(model, options, &session));
  refrain_model_release(model); /* the session keeps what it needs */

  float *frames = malloc((size_t)(FRAMES * LANES * features) * sizeof *frames);
  float *answers = malloc((size_t)(LANES * outputs) * sizeof *answers);
  float *expected = malloc((size_t)outputs * sizeof *expected);
  if (!error && frames && answers && expected) {
    double difference = stream(session, features, outputs, frames, answers, expected);
    if (difference >= 0)
      printf("Largest difference from running the same frames at once: %.1e\n", difference);
    error = !(difference >= 0 && difference <= tolerance);
  } else {
    error = 1;
  }
  free(frames);
  free(answers);
  free(expected);
  refrain_session_release(session);
  if (error) fputs("stream_sensors: failed\n", stderr);
  return error ? 1 : 0;
}
