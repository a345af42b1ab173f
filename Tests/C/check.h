/* check.h: the little that the C tests share */
#ifndef CHECK_H
#define CHECK_H

#include <refrain.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed_checks, failed_checks;

/* One expectation. */
#define CHECK(condition, ...)                                              \
  do {                                                                     \
    if (condition) {                                                       \
      passed_checks++;                                                     \
    } else {                                                               \
      failed_checks++;                                                     \
      fprintf(stderr, "%s:%d: %s failed: ", __FILE__, __LINE__, #condition); \
      fprintf(stderr, __VA_ARGS__);                                        \
      fputc('\n', stderr);                                                 \
    }                                                                      \
  } while (0)

#define OK(call)                                                           \
  do {                                                                     \
    refrain_status status_ = (call);                                       \
    CHECK(status_ == REFRAIN_OK, "%s: %s", refrain_status_name(status_), refrain_last_error()); \
  } while (0)

/* A call that must be refused, with a message that contains a text. */
#define FAILS(expected, text, call)                                        \
  do {                                                                     \
    refrain_status status_ = (call);                                       \
    CHECK(status_ == (expected), "found %s (%s)", refrain_status_name(status_), \
          status_ ? refrain_last_error() : "");                            \
    CHECK(status_ == 0 || strstr(refrain_last_error(), text), "no '%s' in '%s'", text, \
          refrain_last_error());                                           \
  } while (0)

static inline int finish(const char *name) {
  printf("%s: %d passed, %d failed\n", name, passed_checks, failed_checks);
  return failed_checks != 0;
}

/* A tensor of floats or ids. */
static inline refrain_tensor tensor(void *data, int32_t type, int32_t rank, int64_t a, int64_t b,
                                    int64_t c) {
  refrain_tensor t = {.struct_size = sizeof t, .data = data, .type = type, .rank = rank};
  t.shape[0] = a;
  t.shape[1] = b;
  t.shape[2] = c;
  return t;
}

/* Deterministic numbers of about −1 … 1. */
static inline float noise(uint32_t *state) {
  *state = *state * 1664525u + 1013904223u;
  return (float)(*state >> 8) / 8388608.0f - 1;
}

static inline void fill(float *x, size_t count, uint32_t seed) {
  for (size_t i = 0; i < count; i++) x[i] = noise(&seed);
}

static inline refrain_model *make(const char *notation) {
  refrain_model *model = NULL;
  OK(refrain_model_create(notation, 7, &model));
  return model;
}

#endif
