/*
 * machine.c — what this machine can do at the most, measured
 *
 * The loops are written with the compiler's vectors, so they share nothing with the library's
 * kernels. A shared machine is slower at some moments than at others; every limit is the best of
 * several short attempts, made when it is asked for.
 */
#include "bench.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static volatile float sink;

struct level {
  const char *name;
  double (*multiply_add)(long);
  void (*activate)(float *, long);
  void (*read)(const float *, long);
  void (*sweep)(float *, float *, float *, float *, long);
};

#ifdef __x86_64__
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,prefer-vector-width=512")
#define NAMED(name) v4_##name
#define LEVEL_NAME "x86-64-v4"
#define WIDTH 16
#define ACCUMULATORS 24
#include "machine_loops.h"
#pragma GCC pop_options
#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define NAMED(name) v3_##name
#define LEVEL_NAME "x86-64-v3"
#define WIDTH 8
#define ACCUMULATORS 12
#include "machine_loops.h"
#pragma GCC pop_options
#endif

#define NAMED(name) baseline_##name
#define LEVEL_NAME "baseline"
#define WIDTH 4
#define ACCUMULATORS 12
#include "machine_loops.h"

static const struct level *level(void) {
#ifdef __x86_64__
  const char *wish = getenv("REFRAIN_ISA");
  int best = __builtin_cpu_supports("x86-64-v4") ? 4 : __builtin_cpu_supports("x86-64-v3") ? 3 : 1;
  int asked = !wish                        ? best
              : !strcmp(wish, "baseline")  ? 1
              : !strcmp(wish, "x86-64-v3") ? 3
                                           : best;
  if (asked < best) best = asked;
  if (best == 4) return &v4_level;
  if (best == 3) return &v3_level;
#endif
  return &baseline_level;
}

const char *machine_level(void) { return level()->name; }

enum { ATTEMPTS = 5 };

/* ---- multiply-adds --------------------------------------------------------------------------- */

static void *multiply_add(void *result) {
  double start = now();
  double operations = level()->multiply_add(200000);
  *(double *)result = operations / (now() - start);
  return NULL;
}

double machine_peak(int threads) {
  enum { MOST = 64 };
  if (threads > MOST) threads = MOST;
  double best = 0;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    pthread_t handles[MOST];
    double rates[MOST], sum = 0;
    int started = 1;
    for (; started < threads; started++)
      if (pthread_create(&handles[started], NULL, multiply_add, &rates[started])) break;
    multiply_add(&rates[0]);
    for (int i = 1; i < started; i++) pthread_join(handles[i], NULL);
    for (int i = 0; i < started; i++) sum += rates[i];
    if (sum > best) best = sum;
  }
  return best;
}

/* ---- elements and memory --------------------------------------------------------------------- */

static float *memory;
static size_t capacity;

void machine_release(void) {
  free(memory);
  memory = NULL;
  capacity = 0;
}

static float *block(size_t floats) {
  if (floats > capacity) {
    machine_release();
    memory = aligned_alloc(64, (floats * 4 + 63) / 64 * 64);
    if (!memory) fail("no memory for measuring the machine");
    capacity = floats;
  }
  memset(memory, 0, floats * 4);
  return memory;
}

double machine_activation(void) {
  enum { COUNT = 2048, ROUNDS = 200 };
  float *x = block(COUNT);
  double best = 1;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    for (int i = 0; i < COUNT; i++) x[i] = (float)i / COUNT;
    double start = now();
    for (int round = 0; round < ROUNDS; round++) level()->activate(x, COUNT);
    double seconds = (now() - start) / ((double)ROUNDS * COUNT);
    if (seconds < best) best = seconds;
  }
  return best;
}

double machine_read_bandwidth(double bytes) {
  long count = ((long)(bytes / 4) + 63) / 64 * 64;
  float *x = block((size_t)count);
  long rounds = 1 + (1L << 22) / count;
  double best = 0;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    double start = now();
    for (long round = 0; round < rounds; round++) level()->read(x, count);
    double rate = 4.0 * (double)count * (double)rounds / (now() - start);
    if (rate > best) best = rate;
  }
  return best;
}

double machine_update(double parameters) {
  long count = ((long)parameters + 15) / 16 * 16;
  float *x = block((size_t)(4 * count));
  double best = 1e9;
  for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
    double start = now();
    level()->sweep(x, x + count, x + 2 * count, x + 3 * count, count);
    double seconds = now() - start;
    if (seconds < best) best = seconds;
  }
  return best;
}

double machine_bound(const cost *c, int threads) {
  double seconds = c->flops / machine_peak(threads) + c->activations * machine_activation() / threads;
  if (c->parameters > 0) seconds += machine_update(c->parameters) / threads;
  if (c->weight_bytes > 0)
    seconds += c->weight_reads * c->weight_bytes / machine_read_bandwidth(c->weight_bytes);
  return seconds;
}
