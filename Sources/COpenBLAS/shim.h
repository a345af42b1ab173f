/* The declarations of OpenBLAS's C interface. The library itself is opened at run time, by
 * Sources/Kernels/BLAS.swift, so nothing is linked here. */
#include <cblas.h>
