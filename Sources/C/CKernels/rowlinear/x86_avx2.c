#include "quern_rowlinear.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// Each lane is the sum of one output in the header's order. Two blocks of four registers, of two rows or of one, are in
// flight to hide the latency of the multiply-add.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 2, max_blocks = 2, registers = 4 };

INLINE __m256d load_weights(const int8_t *w) {
  int32_t four;
  memcpy(&four, w, sizeof four);
  return _mm256_cvtepi32_pd(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(four)));
}

INLINE void finish(const quern_rowlinear_args *a, const __m256d acc[registers], size_t row, size_t n) {
  const size_t left = a->outputs - n;
  float *y = a->output + row * a->output_stride + n, floats[16];
  float *to = left >= 16 ? y : floats;
  UNROLL for (int i = 0; i < registers; ++i) {
    const __m256d scale = _mm256_cvtps_pd(_mm_loadu_ps(a->scale + n + 4 * i));
    const __m256d bias = _mm256_cvtps_pd(_mm_loadu_ps(a->bias + n + 4 * i));
    _mm_storeu_ps(to + 4 * i, _mm256_cvtpd_ps(_mm256_fmadd_pd(acc[i], scale, bias)));
  }
  if (left < 16) memcpy(y, floats, left * sizeof(float));
}

INLINE void run_tile(const quern_rowlinear_args *a, size_t row, size_t output, int R, int B) {
  const size_t inputs = a->inputs;
  const int8_t *w = a->weights + output * inputs;
  const float *x = a->input + row * a->input_stride;
  __m256d acc[max_rows][max_blocks][registers];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) {
      UNROLL for (int i = 0; i < registers; ++i) acc[r][b][i] = _mm256_setzero_pd();
    }
  }
  for (size_t k = 0; k < inputs; ++k, w += 16) {
    UNROLL for (int b = 0; b < B; ++b) {
      const int8_t *block = w + (size_t)b * inputs * 16;
      UNROLL for (int i = 0; i < registers; ++i) {
        const __m256d weights = load_weights(block + 4 * i);
        UNROLL for (int r = 0; r < R; ++r) {
          const __m256d input = _mm256_set1_pd((double)x[(size_t)r * a->input_stride + k]);
          acc[r][b][i] = _mm256_fmadd_pd(input, weights, acc[r][b][i]);
        }
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
  for (; row + 2 <= a->rows; row += 2) {
    for (size_t output = 0; output < padded; output += 16) run_tile(a, row, output, 2, 1);
  }
  for (; row < a->rows; ++row) {
    size_t output = 0;
    for (; output + 32 <= padded; output += 32) run_tile(a, row, output, 1, 2);
    for (; output < padded; output += 16) run_tile(a, row, output, 1, 1);
  }
}

#pragma clang attribute pop
#endif
