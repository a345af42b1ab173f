/*
 * clock.c — time, and what many times come to
 */
#define _GNU_SOURCE
#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void fail(const char *what) {
  fprintf(stderr, "benchmark: %s\n", what);
  exit(1);
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

double quantile(double *values, long count, double fraction) {
  qsort(values, (size_t)count, sizeof *values, ascending);
  return values[(long)(fraction * (double)(count - 1) + 0.5)];
}
