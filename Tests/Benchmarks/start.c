/*
 * start.c — from the start of a process to its first prediction
 *
 *   start [--runs N] [--at-most MEGABYTES]   fails if a process took more memory
 *
 * The program starts itself again and again, as a process that loads T1's model from a file and
 * classifies one sequence. The clock runs from before the start until the result is there.
 */
#define _GNU_SOURCE
#include "bench.h"

#include <math.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMESTEPS = 100, CLASSES = 3, RUNS_AT_MOST = 1000 };

extern char **environ;

static void check(refrain_status status) {
  if (status) fail(refrain_last_error());
}

/** The process whose start is measured; says when it was done. */
static void predict(const char *path) {
  int32_t ids[TIMESTEPS];
  float y[CLASSES];
  for (int i = 0; i < TIMESTEPS; i++) ids[i] = i;
  refrain_tensor in = {sizeof in, ids, REFRAIN_INT32, 2, {1, TIMESTEPS}, NULL, NULL};
  refrain_tensor out = {sizeof out, y, REFRAIN_FLOAT32, 2, {1, CLASSES}, NULL, NULL};
  refrain_model *model;
  refrain_session *session;
  check(refrain_model_load(path, &model));
  check(refrain_session_create(model, NULL, &session));
  check(refrain_session_run(session, &in, 1, &out, 1));
  double done = now();
  if (write(STDOUT_FILENO, &done, sizeof done) != sizeof done) fail("no one listens");
}

/** Starts the process once; its time and its peak memory in bytes. */
static double start_once(char *program, char *path, double *memory) {
  int ends[2];
  if (pipe(ends)) fail("pipe");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  char *arguments[] = {program, "--predict", path, NULL};
  pid_t child;
  double start = now(), done;
  if (posix_spawn(&child, program, &actions, NULL, arguments, environ)) fail("cannot start itself");
  close(ends[1]);
  if (read(ends[0], &done, sizeof done) != sizeof done) fail("the process said nothing");
  close(ends[0]);
  posix_spawn_file_actions_destroy(&actions);
  struct rusage usage;
  wait4(child, NULL, 0, &usage);
  *memory = (double)usage.ru_maxrss * 1024;
  return done - start;
}

int main(int argc, char **argv) {
  if (argc == 3 && !strcmp(argv[1], "--predict")) {
    predict(argv[2]);
    return 0;
  }
  int runs = 50;
  double limit = INFINITY;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 < argc && !strcmp(argv[i], "--runs")) runs = atoi(argv[i + 1]);
    else if (i + 1 < argc && !strcmp(argv[i], "--at-most")) limit = atof(argv[i + 1]);
    else fail("usage: start [--runs N] [--at-most MEGABYTES]");
  }
  if (runs < 1 || runs > RUNS_AT_MOST) fail("runs are 1 to 1000");

  char path[] = "/tmp/refrain-start-XXXXXX";
  int file = mkstemp(path);
  if (file < 0) fail("no temporary file");
  close(file);
  refrain_model *model;
  check(refrain_model_create(find_workload("I1-lstm")->notation, 1, &model));
  check(refrain_model_save(model, path));
  refrain_model_release(model);

  double times[RUNS_AT_MOST], memory = 0, peak = 0;
  start_once("/proc/self/exe", path, &memory);
  for (int i = 0; i < runs; i++) {
    times[i] = start_once("/proc/self/exe", path, &memory);
    if (memory > peak) peak = memory;
  }
  unlink(path);
  double median = quantile(times, runs, 0.5);
  printf("first prediction of T1's model after %.2f ms (%.2f-%.2f, %d starts), peak memory %.1f MB\n",
         median * 1e3, times[0] * 1e3, times[runs - 1] * 1e3, runs, peak / 1e6);
  if (peak > limit * 1e6) fail("that is more memory than allowed");
  return 0;
}
