#include "CLinearAlgebra.h"

#include <stdlib.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#if defined(__x86_64__)
#define ELEMENT float
#define NAME(x) x##_f32_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#define LANES 16
#define ROWS 12
#define VECTORS 2
#include "product.h"

#define ELEMENT double
#define NAME(x) x##_f64_avx512
#define TARGET __attribute__((target("avx512f,avx512vl,avx512dq,avx512bw,fma")))
#define LANES 8
#define ROWS 12
#define VECTORS 2
#include "product.h"

#define ELEMENT float
#define NAME(x) x##_f32_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 8
#define ROWS 6
#define VECTORS 2
#include "product.h"

#define ELEMENT double
#define NAME(x) x##_f64_avx2
#define TARGET __attribute__((target("avx2,fma")))
#define LANES 4
#define ROWS 6
#define VECTORS 2
#include "product.h"
#endif

#define ELEMENT float
#define NAME(x) x##_f32_base
#define TARGET
#define LANES 4
#define ROWS 8
#define VECTORS 3
#include "product.h"

#define ELEMENT double
#define NAME(x) x##_f64_base
#define TARGET
#define LANES 2
#define ROWS 8
#define VECTORS 3
#include "product.h"

// The tier that is used; -1: not determined yet.
static int used_tier = -1;

static int best_tier(void) {
  int found = 0;
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) found = 1;
  if (found && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw"))
    found = 2;
#endif
  return found;
}

static int tier(void) {
  int known = __atomic_load_n(&used_tier, __ATOMIC_RELAXED);
  return known >= 0 ? known : quern_linear_algebra_limit(2);
}

int quern_linear_algebra_limit(int limit) {
  int best = best_tier(), chosen = limit < best ? limit : best;
  __atomic_store_n(&used_tier, chosen, __ATOMIC_RELAXED);
  return chosen;
}

static void product_f32(int transposes, int is_lower, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda,
                        const float *b, size_t ldb, float *c, size_t ldc) {
  if (m == 0 || n == 0 || k == 0) return;
#if defined(__x86_64__)
  if (tier() == 2) return product_f32_avx512(transposes, is_lower, m, n, k, alpha, a, lda, b, ldb, c, ldc);
  if (tier() == 1) return product_f32_avx2(transposes, is_lower, m, n, k, alpha, a, lda, b, ldb, c, ldc);
#endif
  product_f32_base(transposes, is_lower, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

static void product_f64(int transposes, int is_lower, size_t m, size_t n, size_t k, double alpha, const double *a,
                        size_t lda, const double *b, size_t ldb, double *c, size_t ldc) {
  if (m == 0 || n == 0 || k == 0) return;
#if defined(__x86_64__)
  if (tier() == 2) return product_f64_avx512(transposes, is_lower, m, n, k, alpha, a, lda, b, ldb, c, ldc);
  if (tier() == 1) return product_f64_avx2(transposes, is_lower, m, n, k, alpha, a, lda, b, ldb, c, ldc);
#endif
  product_f64_base(transposes, is_lower, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

void quern_sgemm(int transposes, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                 size_t ldb, int adds, float *c, size_t ldc) {
  for (size_t row = 0; !adds && row < m; row++) memset(c + row * ldc, 0, n * sizeof *c);
  product_f32(transposes, 0, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

void quern_dgemm(int transposes, size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b,
                 size_t ldb, int adds, double *c, size_t ldc) {
  for (size_t row = 0; !adds && row < m; row++) memset(c + row * ldc, 0, n * sizeof *c);
  product_f64(transposes, 0, m, n, k, alpha, a, lda, b, ldb, c, ldc);
}

void quern_ssyrk(size_t n, size_t k, float alpha, const float *a, size_t lda, float *c, size_t ldc) {
  product_f32(1, 1, n, n, k, alpha, a, lda, a, lda, c, ldc);
}

void quern_dsyrk(size_t n, size_t k, double alpha, const double *a, size_t lda, double *c, size_t ldc) {
  product_f64(1, 1, n, n, k, alpha, a, lda, a, lda, c, ldc);
}
