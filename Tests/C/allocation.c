/* allocation.c: a warm step asks for no memory
 *
 * The program's own malloc and friends stand before the C library's, so the library under test calls
 * these.
 */
#include "check.h"

#include <errno.h>
#include <stdatomic.h>

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

int main(void) {
  static const char *const models[] = {
      "Input(20) -> RNN(33)", "Input(20) -> LSTM(33)", "Input(20) -> GRU(33)",
      "Input(20) -> GRU(33, reset_after=false)",
      "Input(20) -> LSTM(17, return_sequences=true) -> GRU(16, return_sequences=true) -> Pooling(max) -> Dense(33, activation=softmax)",
      "Input(20) -> Dense(9, activation=relu) -> LayerNorm -> LSTM(33)",
      "Embedding(50, 8) -> LSTM(33)"};
  static float x[60], y[99];
  static int32_t ids[3] = {1, 2, 49};
  long before = allocations;
  void *volatile seen = malloc(1);
  free(seen);
  CHECK(allocations == before + 1, "allocations are not seen");
  for (size_t m = 0; m < sizeof models / sizeof *models; m++) {
    refrain_model *model = make(models[m]);
    refrain_session *session = NULL;
    OK(refrain_session_create(model, "lanes=3", &session));
    int is_text = strncmp(models[m], "Emb", 3) == 0;
    for (int i = 0; i < 3; i++)
      OK(is_text ? refrain_session_step_ids(session, ids, y) : refrain_session_step(session, x, y));
    before = allocations;
    for (int i = 0; i < 100; i++)
      if (is_text ? refrain_session_step_ids(session, ids, y) : refrain_session_step(session, x, y)) abort();
    OK(refrain_session_reset(session, 1));
    CHECK(allocations == before, "%s: %ld allocations in 100 steps", models[m], allocations - before);
    refrain_session_release(session);
    refrain_model_release(model);
  }
  return finish("allocation");
}
