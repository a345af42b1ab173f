/*
 * behaviour_process.c — what happens to the process around the library: threads, fork, settings
 */
#define _GNU_SOURCE
#include "behaviour.h"

#include <fenv.h>
#include <locale.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static task shared_task;
static float expected[N][3];

static void *run_often(void *model) {
  refrain_session *session = make_session(model, "threads=2");
  float y[N][3];
  refrain_tensor out = FLOATS(y, N, 3);
  int differs = 0;
  for (int i = 0; i < 30; i++) {
    if (refrain_session_run(session, &shared_task.x, 1, &out, 1)) differs++;
    differs += !same_bits(&y[0][0], &expected[0][0], N * 3);
  }
  refrain_session_release(session);
  return (void *)(intptr_t)differs;
}

static void sessions_run_side_by_side(void) {
  make_task(&shared_task, 9);
  refrain_model *model = make_model(classifier, 7);
  refrain_session *session = make_session(model, "");
  refrain_tensor out = FLOATS(expected, N, 3);
  CHECK_OK(refrain_session_run(session, &shared_task.x, 1, &out, 1));
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, run_often, model);
  for (int i = 0; i < 3; i++) {
    void *differs;
    pthread_join(threads[i], &differs);
    CHECK_SAYING(differs == NULL, "%d runs differ beside other sessions", (int)(intptr_t)differs);
  }
  refrain_session_release(session);
  refrain_model_release(model);
}

static void the_process_is_left_as_it_was(void) {
  CHECK_THREADS(1);
  sigset_t mask_before, mask_after;
  fenv_t fenv_before, fenv_after;
  sigprocmask(SIG_BLOCK, NULL, &mask_before);
  fegetenv(&fenv_before);
  const char *locale = setlocale(LC_ALL, NULL);
  task t;
  make_task(&t, 6);
  refrain_model *model = make_model(classifier, 7);
  float y[N][3];
  refrain_tensor out = FLOATS(y, N, 3);
  refrain_session *one = make_session(model, "");
  CHECK_OK(refrain_session_run(one, &t.x, 1, &out, 1));
  CHECK_THREADS(1);
  refrain_session *three = make_session(model, "threads=3");
  CHECK_OK(refrain_session_run(three, &t.x, 1, &out, 1));
  CHECK_THREADS(3);
  refrain_trainer *trainer = make_trainer(model, "loss=crossentropy, threads=2");
  CHECK_THREADS(4);
  CHECK_OK(refrain_trainer_fit(trainer, &t.data, NULL, "", NULL, NULL));

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
  CHECK_SAYING(WIFEXITED(status) && WEXITSTATUS(status) == 0, "a forked child ended with %d",
               status);

  refrain_session_release(three);
  refrain_session_release(one);
  refrain_trainer_release(trainer);
  refrain_model_release(model);
  CHECK_THREADS(1);
  sigprocmask(SIG_BLOCK, NULL, &mask_after);
  fegetenv(&fenv_after);
  for (int signal = 1; signal < 32; signal++)
    CHECK_SAYING(sigismember(&mask_before, signal) == sigismember(&mask_after, signal),
                 "the mask of signal %d changed", signal);
#ifdef __x86_64__
  /* the sticky exception flags of MXCSR aside */
  CHECK_SAYING((fenv_before.__mxcsr & ~0x3fu) == (fenv_after.__mxcsr & ~0x3fu), "MXCSR changed");
#elif defined(__aarch64__)
  CHECK(fenv_before.__fpcr == fenv_after.__fpcr);
#endif
  CHECK_SAYING(strcmp(locale, setlocale(LC_ALL, NULL)) == 0, "the locale changed");
}

void behaviour_in_a_process(void) {
  RUN(the_process_is_left_as_it_was);
  RUN(sessions_run_side_by_side);
}
