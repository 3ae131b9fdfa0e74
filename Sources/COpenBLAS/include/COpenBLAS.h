#pragma once
#include <stddef.h>

// OpenBLAS, loaded when first needed, so that a process that runs int8 only never pays for its buffers, and so that the
// environment it reads while loading can be set before.

// Loads the library once. Returns null, or what went wrong. Safe to call from several threads.
const char *quern_openblas_load(void);

// The name of the kernels OpenBLAS chose, such as "SkylakeX"; null before a successful load.
const char *quern_openblas_core(void);

// c[m][n] = a[m][k] * b[n][k], row-major float32, on the calling thread. The library must be loaded.
void quern_openblas_sgemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                             size_t ldc);
