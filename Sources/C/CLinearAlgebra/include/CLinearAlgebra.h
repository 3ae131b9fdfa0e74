#pragma once
#include <stddef.h>

// Products and factorisations of row-major matrices, float32 or, where the name has a d, float64; strides are in
// elements. All functions run on the calling thread, and may be called from several. They end the process by abort()
// where memory is lacking.
//
// Results are the same bits on every processor, because the arithmetic of each element is defined. An element of a
// product is summed over k in blocks of QUERN_SUM_BLOCK: within a block by fused multiply-adds in ascending order, from
// 0; the sum of each block is then multiplied by alpha and added to the element by one fused multiply-add. Processors
// without fused multiply-adds emulate them, which is slow and gives the same result. The factorisations are sequences
// of such products and of single operations, each rounded once.

enum { QUERN_SUM_BLOCK = 256 };

// Makes products use the implementation for the processor's instruction sets up to `tier`, for tests: 0 is the one for
// any processor of the architecture, 1 adds AVX2 and FMA, 2 AVX-512. Returns the tier that is used.
int quern_linear_algebra_limit(int tier);

// c[m][n] = alpha op(a) b[k][n], added to c if `adds`, op(a) being a[m][k], or a[k][m]^T where `transposes` is not 0.
void quern_sgemm(int transposes, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                 size_t ldb, int adds, float *c, size_t ldc);
void quern_dgemm(int transposes, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b,
                 size_t ldb, int adds, double *c, size_t ldc);

// Adds the lower triangle of alpha a[k][n]^T a[k][n] to that of c[n][n].
void quern_ssyrk(size_t n, size_t k, float alpha, const float *a, size_t lda, float *c, size_t ldc);
void quern_dsyrk(size_t n, size_t k, double alpha, const double *a, size_t lda, double *c, size_t ldc);

// Replaces the lower triangle of a[n][n] by its Cholesky factor, and leaves the rest. Returns 0, or the number of the
// row, from 1, that shows that a is not positive definite.
size_t quern_cholesky(size_t n, float *a, size_t lda);

// b[n][m] = l^-1 b, or l^-T b where `transposes` is not 0, l[n][n] being lower triangular.
void quern_triangular_solve(int transposes, size_t n, size_t m, const float *l, size_t ldl, float *b, size_t ldb);

// Replaces the symmetric matrix a[n][n] by its eigenvectors, one in each row, and values[n] by its eigenvalues in
// ascending order. Only the lower triangle of a is read. Returns 0, or -1 where they are not found, as for values that
// are not finite.
int quern_eigenvectors(size_t n, double *a, double *values);
