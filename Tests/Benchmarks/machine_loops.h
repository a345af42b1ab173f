/*
 * machine_loops.h — the loops that measure a machine, for one width of vector
 *
 * Included once per instruction-set level, with WIDTH (floats in a vector), ACCUMULATORS (as many
 * as hide the latency and fit the registers) and NAMED (which gives a function its level's name).
 */
typedef float NAMED(vector) __attribute__((vector_size(4 * WIDTH), aligned(4)));

/** Floating-point operations in `rounds` rounds of multiply-adds that wait only for themselves. */
static double NAMED(multiply_add)(long rounds) {
  NAMED(vector) sums[ACCUMULATORS], x, y;
  for (int i = 0; i < WIDTH; i++) x[i] = 0.999f, y[i] = 0.001f;
  for (int i = 0; i < ACCUMULATORS; i++) sums[i] = x * (float)i;
  for (long round = 0; round < rounds; round++) {
#pragma GCC unroll 32
    for (int i = 0; i < ACCUMULATORS; i++) sums[i] = sums[i] * x + y;
  }
  for (int i = 0; i < ACCUMULATORS; i++) sink += sums[i][0];
  return 2.0 * WIDTH * ACCUMULATORS * (double)rounds;
}

/** tanh as x P(x²) / Q(x²), in the block's place. */
static void NAMED(activate)(float *block, long count) {
  for (long i = 0; i < count; i += WIDTH) {
    NAMED(vector) x = *(NAMED(vector) *)(block + i), s = x * x;
    NAMED(vector) p = 1 + s * (0.1338f + s * (3.497e-3f + s * (2.064e-5f + s * 1.338e-8f)));
    NAMED(vector) q = 1 + s * (0.4672f + s * (2.588e-2f + s * (3.289e-4f + s * 7.790e-7f)));
    *(NAMED(vector) *)(block + i) = x * p / q;
  }
}

static void NAMED(read)(const float *block, long count) {
  NAMED(vector) sums[4] = {0};
  for (long i = 0; i < count; i += 4 * WIDTH) {
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) sums[k] += *(const NAMED(vector) *)(block + i + k * WIDTH);
  }
  sink += sums[0][0] + sums[1][0] + sums[2][0] + sums[3][0];
}

/** Adam's reads, writes and arithmetic, with an approximate root so that traffic is what counts. */
static void NAMED(sweep)(float *w, float *g, float *m, float *v, long count) {
  for (long i = 0; i < count; i += WIDTH) {
    NAMED(vector) gradient = *(NAMED(vector) *)(g + i);
    NAMED(vector) mean = *(NAMED(vector) *)(m + i) * 0.9f + gradient * 0.1f;
    NAMED(vector) square = *(NAMED(vector) *)(v + i) * 0.999f + gradient * gradient * 0.001f;
    *(NAMED(vector) *)(m + i) = mean;
    *(NAMED(vector) *)(v + i) = square;
    *(NAMED(vector) *)(w + i) -= 0.001f * mean / (square + 1e-7f);
    *(NAMED(vector) *)(g + i) = gradient * 0;
  }
}

static const struct level NAMED(level) = {LEVEL_NAME, NAMED(multiply_add), NAMED(activate),
                                          NAMED(read), NAMED(sweep)};

#undef WIDTH
#undef ACCUMULATORS
#undef NAMED
#undef LEVEL_NAME
