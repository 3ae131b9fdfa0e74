#include "quern_rowlinear.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

// Each lane is the sum of one output in the header's order. R rows x B blocks of two registers are in flight to hide
// the latency of the multiply-add.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 4, max_blocks = 4 };

INLINE __m512d load_weights(const int8_t *w) {
  return _mm512_cvtepi32_pd(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)w)));
}

INLINE __m256 finish(const quern_rowlinear_args *a, __m512d acc, size_t n) {
  const __m512d scale = _mm512_cvtps_pd(_mm256_loadu_ps(a->scale + n));
  const __m512d bias = _mm512_cvtps_pd(_mm256_loadu_ps(a->bias + n));
  return _mm512_cvtpd_ps(_mm512_fmadd_pd(acc, scale, bias));
}

INLINE void run_tile(const quern_rowlinear_args *a, size_t row, size_t output, int R, int B) {
  const size_t inputs = a->inputs;
  const int8_t *w = a->weights + output * inputs;
  const float *x = a->input + row * a->input_stride;
  __m512d acc[max_rows][max_blocks][2];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) acc[r][b][0] = acc[r][b][1] = _mm512_setzero_pd();
  }
  for (size_t k = 0; k < inputs; ++k, w += 16) {
    UNROLL for (int b = 0; b < B; ++b) {
      const int8_t *block = w + (size_t)b * inputs * 16;
      const __m512d low = load_weights(block), high = load_weights(block + 8);
      UNROLL for (int r = 0; r < R; ++r) {
        const __m512d input = _mm512_set1_pd((double)x[(size_t)r * a->input_stride + k]);
        acc[r][b][0] = _mm512_fmadd_pd(input, low, acc[r][b][0]);
        acc[r][b][1] = _mm512_fmadd_pd(input, high, acc[r][b][1]);
      }
    }
  }
  UNROLL for (int b = 0; b < B; ++b) {
    const size_t n = output + (size_t)b * 16, left = a->outputs - n;
    const __mmask16 mask = left >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << left) - 1);
    UNROLL for (int r = 0; r < R; ++r) {
      float *y = a->output + (row + (size_t)r) * a->output_stride + n;
      const __m512 low = _mm512_castps256_ps512(finish(a, acc[r][b][0], n));
      _mm512_mask_storeu_ps(y, mask, _mm512_insertf32x8(low, finish(a, acc[r][b][1], n + 8), 1));
    }
  }
}

INLINE void run_outputs(const quern_rowlinear_args *a, size_t row, int R, int B) {
  const size_t padded = (a->outputs + 15) / 16 * 16;
  size_t output = 0;
  for (; output + (size_t)B * 16 <= padded; output += (size_t)B * 16) run_tile(a, row, output, R, B);
  for (; output < padded; output += 16) run_tile(a, row, output, R, 1);
}

void quern_rowlinear_avx512(const quern_rowlinear_args *a) {
  size_t row = 0;
  for (; row + 4 <= a->rows; row += 4) run_outputs(a, row, 4, 2);
  for (; row < a->rows; ++row) run_outputs(a, row, 1, 4);
}

#pragma clang attribute pop
#endif
