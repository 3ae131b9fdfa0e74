#pragma once
#include <stddef.h>

// OpenBLAS and its LAPACK, loaded when first needed: a process that only runs networks does not need its buffers, and
// the environment variables that it reads while loading can be set before. All functions run on the calling thread, on
// row-major matrices, float32 or, where the name has a d, float64; strides are in elements.

// Loads the library once. Returns null, or a message if it fails. May be called from several threads.
const char *quern_openblas_load(void);

// Adds the lower triangle of alpha a[k][n]^T a[k][n] to that of c[n][n].
void quern_openblas_ssyrk_t(size_t n, size_t k, float alpha, const float *a, size_t lda, float *c, size_t ldc);

// Replaces the lower triangle of a[n][n] by its Cholesky factor. Returns 0, or another number if a is not positive
// definite.
int quern_openblas_spotrf(size_t n, float *a, size_t lda);

// c[m][n] = alpha op(a) b[k][n] + beta c, op(a) being a[m][k], or a[k][m]^T where transposes is not 0.
void quern_openblas_sgemm(int transposes, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                          size_t ldb, float beta, float *c, size_t ldc);

// b[n][m] = l^-1 b, or l^-T b where transposes is not 0, l[n][n] being lower triangular.
void quern_openblas_strsm_l(int transposes, size_t n, size_t m, const float *l, size_t ldl, float *b, size_t ldb);

// Adds the lower triangle of alpha a[k][n]^T a[k][n] to that of c[n][n].
void quern_openblas_dsyrk_t(size_t n, size_t k, double alpha, const double *a, size_t lda, double *c, size_t ldc);

// c[m][n] = alpha a[m][k] b[k][n] + beta c.
void quern_openblas_dgemm(size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                          double beta, double *c, size_t ldc);

// Replaces the symmetric matrix a[n][n] by its eigenvectors, one in each row, and values[n] by its eigenvalues in
// ascending order. Only the lower triangle of a is read. Returns 0, or another number if they are not found or memory
// is lacking.
int quern_openblas_dsyevd(size_t n, double *a, size_t lda, double *values);
