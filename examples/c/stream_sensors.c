/* stream_sensors.c: several sensors, one timestep at a time
 *
 * A lane per sensor: each call takes one frame from every sensor and gives what the model makes of it
 * so far, without allocating. When a sensor starts anew, its lane is reset. At the end the program
 * compares the streams with the same frames run as whole sequences, and fails if they differ.
 */
#include <refrain.h>

#include <math.h>
#include <stdio.h>

enum { SENSORS = 4, FEATURES = 3, FRAMES = 50, RESTART = 20, OUTPUTS = 2 };

static int failed(refrain_status status) {
  if (status == REFRAIN_OK) return 0;
  fprintf(stderr, "%s: %s\n", refrain_status_name(status), refrain_last_error());
  return 1;
}

/* What the sensors would say. */
static float measure(int sensor, int frame, int feature) {
  return (float)sin(0.1 * (frame + 1) * (sensor + 1) + feature);
}

int main(void) {
  float frame[SENSORS][FEATURES], answer[SENSORS][OUTPUTS];
  static float history[SENSORS][FRAMES][FEATURES], whole[SENSORS][OUTPUTS];
  refrain_model *model = NULL;
  refrain_session *stream = NULL;
  int error = failed(refrain_model_create("Input(3) -> LSTM(16, return_sequences=true) -> GRU(8)"
                                          " -> Dense(2, activation=softmax)", 1, &model)) ||
              failed(refrain_session_create(model, "lanes=4", &stream));

  for (int t = 0; !error && t < FRAMES; t++) {
    if (t == RESTART) error = failed(refrain_session_reset(stream, 0)); /* sensor 0 starts anew */
    for (int s = 0; s < SENSORS; s++)
      for (int f = 0; f < FEATURES; f++) frame[s][f] = history[s][t][f] = measure(s, t, f);
    error = error || failed(refrain_session_step(stream, frame[0], answer[0]));
  }

  float largest = 0;
  for (int s = 0; !error && s < SENSORS; s++) {
    int first = s == 0 ? RESTART : 0;
    refrain_tensor x = {sizeof x, history[s][first], REFRAIN_FLOAT32, 3,
                        {1, FRAMES - first, FEATURES}, NULL, NULL};
    refrain_tensor y = {sizeof y, whole[s], REFRAIN_FLOAT32, 2, {1, OUTPUTS}, NULL, NULL};
    error = failed(refrain_session_run(stream, &x, 1, &y, 1));
    for (int o = 0; o < OUTPUTS; o++) largest = fmaxf(largest, fabsf(whole[s][o] - answer[s][o]));
  }
  if (!error) printf("%d sensors, %d frames: streams and whole sequences differ by %g at most\n",
                     SENSORS, FRAMES, largest);
  refrain_session_release(stream);
  refrain_model_release(model);
  return error || largest > 1e-5f;
}
