/*
 * processor.h — instructions that Swift has no name for
 *
 * Inline functions only: they are compiled into the module that imports them, for the instruction
 * set of that module, and vanish there. A vector is as wide here as in KernelLevel/Level.swift.
 */
#ifndef REFRAIN_PROCESSOR_H
#define REFRAIN_PROCESSOR_H

#define REFRAIN_INLINE static inline __attribute__((always_inline))

/* ---- vectors --------------------------------------------------------------------------------- */

#if defined(__AVX512F__)
#define REFRAIN_LANES 16
#define REFRAIN_LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
#elif defined(__AVX2__)
#define REFRAIN_LANES 8
#define REFRAIN_LANE_NUMBERS {0, 1, 2, 3, 4, 5, 6, 7}
#else
#define REFRAIN_LANES 4
#define REFRAIN_LANE_NUMBERS {0, 1, 2, 3}
#endif

typedef float refrain_vector __attribute__((ext_vector_type(REFRAIN_LANES)));
typedef int refrain_bits __attribute__((ext_vector_type(REFRAIN_LANES)));

typedef refrain_vector refrain_unaligned_vector __attribute__((aligned(4), may_alias));

/** A whole vector. (Swift's loadUnaligned() and storeBytes() are calls in functions it finds large.) */
REFRAIN_INLINE refrain_vector refrain_load(const float *source) {
  return *(const refrain_unaligned_vector *)source;
}
REFRAIN_INLINE void refrain_store(refrain_vector x, float *target) {
  *(refrain_unaligned_vector *)target = x;
}

/** The root of each lane, correctly rounded. (Swift's squareRoot() is a call for each lane.) */
REFRAIN_INLINE refrain_vector refrain_square_root(refrain_vector x) {
  return __builtin_elementwise_sqrt(x);
}

#if defined(__AVX512F__)
/** x · 2ⁿ for whole n of any size. */
REFRAIN_INLINE refrain_vector refrain_scale(refrain_vector x, refrain_vector n) {
  return __builtin_ia32_scalefps512_mask(x, n, x, (unsigned short)-1, 4 /* the mode's rounding */);
}
#endif

/** `x` in the first `lanes` lanes, 1 … all; `rest` in the others. */
REFRAIN_INLINE refrain_vector refrain_replace_rest(refrain_vector x, long lanes, float rest) {
  refrain_bits is_rest = (refrain_bits)REFRAIN_LANE_NUMBERS >= (int)lanes;
  return is_rest ? (refrain_vector)rest : x;
}

/** The first `lanes` floats at `source`, 1 … all; zeros in the other lanes. Reads no further. */
REFRAIN_INLINE refrain_vector refrain_load_first(const float *source, long lanes) {
#if defined(__AVX512F__)
  return __builtin_ia32_loadups512_mask(source, (refrain_vector)0.0f,
                                        (unsigned short)((1u << lanes) - 1));
#elif defined(__AVX2__)
  refrain_bits wanted = (refrain_bits)REFRAIN_LANE_NUMBERS < (int)lanes;
  return __builtin_ia32_maskloadps256((const refrain_vector *)source, wanted);
#else
  return (refrain_vector){source[0], lanes > 1 ? source[1] : 0, lanes > 2 ? source[2] : 0,
                          lanes > 3 ? source[3] : 0};
#endif
}

/** Writes the first `lanes` lanes, 1 … all, and no further. */
REFRAIN_INLINE void refrain_store_first(refrain_vector x, float *target, long lanes) {
#if defined(__AVX512F__)
  __builtin_ia32_storeups512_mask(target, x, (unsigned short)((1u << lanes) - 1));
#elif defined(__AVX2__)
  refrain_bits wanted = (refrain_bits)REFRAIN_LANE_NUMBERS < (int)lanes;
  __builtin_ia32_maskstoreps256((refrain_vector *)target, wanted, x);
#else
  target[0] = x[0];
  if (lanes > 1) target[1] = x[1];
  if (lanes > 2) target[2] = x[2];
  if (lanes > 3) target[3] = x[3];
#endif
}

typedef double refrain_doubles __attribute__((ext_vector_type(8)));

/** Eight floats as doubles. (Swift's initialiser that converts a vector is a loop over lanes.) */
REFRAIN_INLINE refrain_doubles refrain_load_doubles(const float *source) {
  typedef float eight __attribute__((ext_vector_type(8)));
  typedef eight unaligned __attribute__((aligned(4), may_alias));
  return __builtin_convertvector(*(const unaligned *)source, refrain_doubles);
}

/** Zero, which the compiler does not know. */
REFRAIN_INLINE int refrain_zero(void) {
  int zero = 0;
  __asm__("" : "+r"(zero));
  return zero;
}

/** Asks for a cache line that will soon be read. */
REFRAIN_INLINE void refrain_prefetch_read(const float *place) { __builtin_prefetch(place, 0); }

/** Asks for a cache line that will be read after many others: for the second-level cache. */
REFRAIN_INLINE void refrain_prefetch_later(const float *place) { __builtin_prefetch(place, 0, 2); }

/** Asks for a cache line that will soon be read and written. */
REFRAIN_INLINE void refrain_prefetch(const float *place) { __builtin_prefetch(place, 1); }

/* ---- the thread's floating-point control ----------------------------------------------------- */

#if defined(__x86_64__)
/** MXCSR. fegetenv() and fesetenv() also save and load the x87 unit, which takes some 100 cycles. */
REFRAIN_INLINE unsigned long refrain_control(void) { return __builtin_ia32_stmxcsr(); }
REFRAIN_INLINE void refrain_set_control(unsigned long control) {
  __builtin_ia32_ldmxcsr((unsigned)control);
}
#elif defined(__aarch64__)
/** FPCR, and in the upper half FPSR, which records exceptions. */
REFRAIN_INLINE unsigned long refrain_control(void) {
  return __builtin_arm_rsr64("fpsr") << 32 | __builtin_arm_rsr64("fpcr");
}
REFRAIN_INLINE void refrain_set_control(unsigned long control) {
  __builtin_arm_wsr64("fpcr", control & 0xffffffff);
  __builtin_arm_wsr64("fpsr", control >> 32);
}
#else
#error "the floating-point control of this processor is not known here"
#endif

#endif
