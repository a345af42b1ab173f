/*
 * behaviour_generation.c — what a language model writes: the same as whole runs say, in any session,
 * on any number of threads, and in a forked child
 */
#define _GNU_SOURCE
#include "behaviour.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { V = 11, ROWS = 37, PROMPT = 3, LENGTH = 9 };

static const char language[] =
    "Embedding(11, 6) -> LSTM(9, return_sequences=true) -> Dense(11, activation=softmax)";

/* Parameters that make some ids much likelier than others. */
static refrain_model *make_writer(void) {
  refrain_model *model = make_model(language, 5);
  int64_t parameters = 0;
  REQUIRE_OK(refrain_model_parameter_counts(model, &parameters, NULL));
  for (int64_t i = 0; i < parameters; i++) {
    char name[64];
    float *data = NULL;
    int64_t count = 0;
    REQUIRE_OK(refrain_model_parameter(model, i, name, sizeof name, NULL, NULL));
    REQUIRE_OK(refrain_model_parameter_data(model, name, &data, &count));
    fill_random(data, count, (uint64_t)i);
    for (int64_t j = 0; j < count; j++) data[j] *= 2;
  }
  REQUIRE_OK(refrain_model_parameters_changed(model));
  return model;
}

static void the_likeliest_ids_are_those_of_whole_runs(void) {
  static int32_t prompts[ROWS][PROMPT], ids[ROWS][LENGTH], whole[PROMPT + LENGTH];
  static float y[PROMPT + LENGTH][V];
  int64_t lengths[ROWS], prompt_lengths[ROWS];
  float scores[ROWS];
  refrain_model *model = make_writer();
  refrain_session *session = make_session(model, "threads=2");
  fill_ids(&prompts[0][0], ROWS * PROMPT, V, 3);
  for (int row = 0; row < ROWS; row++) prompt_lengths[row] = 1 + row % PROMPT;
  refrain_tensor input = IDS(prompts, ROWS, PROMPT);
  input.lengths = prompt_lengths;
  CHECK_OK(refrain_session_generate(session, &input, 1, "max_length=9, end=1", &ids[0][0], lengths,
                                    scores));
  int ended = 0;
  for (int row = 0; row < ROWS; row++) {
    int64_t t = prompt_lengths[row], written = 0;
    double score = 0;
    memcpy(whole, prompts[row], sizeof prompts[row]);
    while (written < LENGTH) {
      run_batch(session, IDS(whole, 1, t), FLOATS(y, 1, t, V));
      int32_t best = 0;
      for (int32_t id = 1; id < V; id++)
        if (y[t - 1][id] > y[t - 1][best]) best = id;
      score += log(y[t - 1][best]);
      if (best == 1) break;
      CHECK_EQUAL(ids[row][written], best);
      whole[t++] = best;
      written++;
    }
    ended += written < LENGTH;
    CHECK_EQUAL(lengths[row], written);
    CHECK(fabs(scores[row] - score) < 1e-4);
    for (; written < LENGTH; written++) CHECK_EQUAL(ids[row][written], 1);
  }
  CHECK_SAYING(ended > 0 && ended < ROWS, "%d of %d rows ended", ended, ROWS);
  refrain_session_release(session);
  refrain_model_release(model);
}

static void threads_and_processes_write_the_same(void) {
  static const char *const options[] = {"max_length=9, end=1", "max_length=9, end=1, beams=3",
                                        "max_length=9, end=1, temperature=1, top_p=0.9, seed=7"};
  static int32_t prompts[ROWS][PROMPT], expected[ROWS][LENGTH], ids[ROWS][LENGTH];
  float scores[ROWS], again[ROWS];
  refrain_model *model = make_writer();
  refrain_session *one = make_session(model, ""), *three = make_session(model, "threads=3");
  fill_ids(&prompts[0][0], ROWS * PROMPT, V, 8);
  refrain_tensor input = IDS(prompts, ROWS, PROMPT);
  for (int64_t i = 0; i < COUNT_OF(options); i++) {
    CHECK_OK(refrain_session_generate(one, &input, 1, options[i], &expected[0][0], NULL, scores));
    for (int round = 0; round < 3; round++) {
      CHECK_OK(refrain_session_generate(three, &input, 1, options[i], &ids[0][0], NULL, again));
      CHECK(memcmp(ids, expected, sizeof ids) == 0);
      CHECK_SAME(again, scores, ROWS);
    }
    pid_t child = fork();
    if (child == 0) {
      int differs = refrain_session_generate(three, &input, 1, options[i], &ids[0][0], NULL, again);
      _exit(differs || memcmp(ids, expected, sizeof ids) != 0);
    }
    int status = -1;
    for (int wait = 0; wait < 200 && waitpid(child, &status, WNOHANG) == 0; wait++) usleep(50000);
    CHECK_SAYING(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s: a forked child ended with %d",
                 options[i], status);
  }
  /* Few rows, so that there are fewer shards than threads. */
  refrain_tensor few = IDS(prompts, 10, PROMPT);
  for (int round = 0; round < 20; round++) {
    CHECK_OK(refrain_session_generate(three, &few, 1, options[2], &ids[0][0], NULL, NULL));
    CHECK(memcmp(ids, expected, 10 * sizeof ids[0]) == 0);
  }
  refrain_session_release(one);
  refrain_session_release(three);
  refrain_model_release(model);
}

void behaviour_of_generation(void) {
  RUN(the_likeliest_ids_are_those_of_whole_runs);
  RUN(threads_and_processes_write_the_same);
}
