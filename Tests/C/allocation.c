/*
 * allocation.c — a warm step asks for no memory
 *
 * The program's own malloc and friends stand before the C library's, so the library under test
 * calls these.
 */
#include "support.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_long allocations;

void *malloc(size_t size) {
  allocations++;
  return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
  allocations++;
  return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
  allocations++;
  return __libc_realloc(old, size);
}
void *memalign(size_t alignment, size_t size) {
  allocations++;
  return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void **result, size_t alignment, size_t size) {
  *result = memalign(alignment, size);
  return *result ? 0 : ENOMEM;
}

static void allocations_are_seen(void) {
  long before = allocations;
  void *volatile seen = malloc(1);
  free(seen);
  CHECK_EQUAL(allocations, before + 1);
}

static void a_warm_step_allocates_nothing(void) {
  static const char *const models[] = {
      "Input(20) -> RNN(33)",
      "Input(20) -> LSTM(33)",
      "Input(20) -> GRU(33)",
      "Input(20) -> GRU(33, reset_after=false)",
      "Input(20) -> LSTM(17, return_sequences=true) -> GRU(16, return_sequences=true) -> "
      "Pooling(max) -> Dense(33, activation=softmax)",
      "Input(20) -> Dense(9, activation=relu) -> LayerNorm -> LSTM(33)",
      "Embedding(50, 8) -> LSTM(33)"};
  static float x[60], y[99];
  static int32_t ids[3] = {1, 2, 49};
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 7);
    refrain_session *session = make_session(model, "lanes=3");
    int is_text = strncmp(models[m], "Embedding", 9) == 0;
    refrain_tensor in = is_text ? IDS(ids, 3) : FLOATS(x, 3, 20), out = FLOATS(y, 3, 33);
    for (int i = 0; i < 3; i++) {
      CHECK_OK(is_text ? refrain_session_step_ids(session, ids, y)
                       : refrain_session_step(session, x, y));
      CHECK_OK(refrain_session_step_tensors(session, &in, 1, &out, 1));
    }
    long before = allocations;
    int failures = 0;
    for (int i = 0; i < 100; i++) {
      failures +=
          is_text ? refrain_session_step_ids(session, ids, y) : refrain_session_step(session, x, y);
    }
    CHECK_SAYING(allocations == before, "%s: %ld allocations in 100 steps", models[m],
                 allocations - before);
    CHECK_EQUAL(failures, 0);
    before = allocations;
    CHECK_OK(refrain_session_reset(session, 1));
    CHECK_OK(refrain_session_reset(session, REFRAIN_ALL_LANES));
    CHECK_EQUAL(allocations, before);
    before = allocations;
    for (int i = 0; i < 100; i++) refrain_session_step_tensors(session, &in, 1, &out, 1);
    printf("%s: %.2f allocations a step with tensors\n", models[m],
           (double)(allocations - before) / 100);
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

/* The header promises nothing here; the numbers are printed so that a leap is seen. */
static void warm_batches_are_counted(void) {
  static const char *const models[] = {"Input(20) -> LSTM(33)", "Input(20) -> GRU(33)"};
  static float x[8 * 5 * 20], y[8 * 33];
  for (int64_t m = 0; m < COUNT_OF(models); m++) {
    refrain_model *model = make_model(models[m], 7);
    refrain_session *session = make_session(model, "");
    refrain_trainer *trainer = make_trainer(model, "loss=mse, optimizer=Adam(0.001)");
    refrain_tensor in = FLOATS(x, 8, 5, 20), out = FLOATS(y, 8, 33);
    long counts[2] = {0, 0};
    for (int i = 0; i < 12; i++) {
      long before = allocations;
      CHECK_OK(refrain_session_run(session, &in, 1, &out, 1));
      long between = allocations;
      CHECK_OK(refrain_trainer_forward(trainer, &in, 1, NULL, 0));
      CHECK_OK(refrain_trainer_backward_loss(trainer, &out, 1, NULL, NULL, NULL, 0));
      CHECK_OK(refrain_trainer_update(trainer, NULL));
      if (i < 2) continue;
      counts[0] += between - before;
      counts[1] += allocations - between;
    }
    printf("%s: %.1f allocations a batch run, %.1f a batch trained\n", models[m],
           (double)counts[0] / 10, (double)counts[1] / 10);
    refrain_trainer_release(trainer);
    refrain_session_release(session);
    refrain_model_release(model);
  }
}

int main(int argc, char **argv) {
  check_start(argc, argv, 60);
  RUN(allocations_are_seen);
  RUN(a_warm_step_allocates_nothing);
  RUN(warm_batches_are_counted);
  return check_finish();
}
