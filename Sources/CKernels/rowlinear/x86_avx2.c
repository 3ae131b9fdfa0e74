#include "quern_rowlinear.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// Each lane is one output's sum in the header's order; R rows x B blocks of two registers are in flight to hide the
// latency of the multiply-add.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 4, max_blocks = 4 };

INLINE __m256 load_weights(const int8_t *w) {
  return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)w)));
}

INLINE void finish(const quern_rowlinear_args *a, const __m256 acc[2], size_t row, size_t n) {
  const size_t left = a->outputs - n;
  float *y = a->output + row * a->output_stride + n, floats[16];
  float *to = left >= 16 ? y : floats;
  _mm256_storeu_ps(to, _mm256_fmadd_ps(acc[0], _mm256_loadu_ps(a->scale + n), _mm256_loadu_ps(a->bias + n)));
  _mm256_storeu_ps(to + 8, _mm256_fmadd_ps(acc[1], _mm256_loadu_ps(a->scale + n + 8), _mm256_loadu_ps(a->bias + n + 8)));
  if (left < 16) memcpy(y, floats, left * sizeof(float));
}

INLINE void run_tile(const quern_rowlinear_args *a, size_t row, size_t output, int R, int B) {
  const size_t inputs = a->inputs;
  const int8_t *w = a->weights + output * inputs;
  const float *x = a->input + row * a->input_stride;
  __m256 acc[max_rows][max_blocks][2];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) acc[r][b][0] = acc[r][b][1] = _mm256_setzero_ps();
  }
  for (size_t k = 0; k < inputs; ++k, w += 16) {
    UNROLL for (int b = 0; b < B; ++b) {
      const int8_t *block = w + (size_t)b * inputs * 16;
      const __m256 low = load_weights(block), high = load_weights(block + 8);
      UNROLL for (int r = 0; r < R; ++r) {
        const __m256 input = _mm256_set1_ps(x[(size_t)r * a->input_stride + k]);
        acc[r][b][0] = _mm256_fmadd_ps(input, low, acc[r][b][0]);
        acc[r][b][1] = _mm256_fmadd_ps(input, high, acc[r][b][1]);
      }
    }
  }
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) finish(a, acc[r][b], row + (size_t)r, output + (size_t)b * 16);
  }
}

void quern_rowlinear_avx2(const quern_rowlinear_args *a) {
  const size_t padded = (a->outputs + 15) / 16 * 16;
  size_t row = 0;
  for (; row + 4 <= a->rows; row += 4) {
    for (size_t output = 0; output < padded; output += 16) run_tile(a, row, output, 4, 1);
  }
  for (; row < a->rows; ++row) {
    size_t output = 0;
    for (; output + 64 <= padded; output += 64) run_tile(a, row, output, 1, 4);
    for (; output < padded; output += 16) run_tile(a, row, output, 1, 1);
  }
}

#pragma clang attribute pop
#endif
