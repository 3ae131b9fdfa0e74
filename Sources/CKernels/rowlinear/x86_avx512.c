#include "quern_rowlinear.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

// Each lane is one output's sum in the header's order; R rows x B blocks are in flight to hide the latency of the
// multiply-add.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 4, max_blocks = 4 };

INLINE void run_tile(const quern_rowlinear_args *a, size_t row, size_t output, int R, int B) {
  const size_t inputs = a->inputs;
  const int8_t *w = a->weights + output * inputs;
  const float *x = a->input + row * a->input_stride;
  __m512 acc[max_rows][max_blocks];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) acc[r][b] = _mm512_setzero_ps();
  }
  for (size_t k = 0; k < inputs; ++k, w += 16) {
    __m512 weights[max_blocks];
    UNROLL for (int b = 0; b < B; ++b) {
      const __m128i bytes = _mm_loadu_si128((const __m128i *)(w + (size_t)b * inputs * 16));
      weights[b] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes));
    }
    UNROLL for (int r = 0; r < R; ++r) {
      const __m512 input = _mm512_set1_ps(x[(size_t)r * a->input_stride + k]);
      UNROLL for (int b = 0; b < B; ++b) acc[r][b] = _mm512_fmadd_ps(input, weights[b], acc[r][b]);
    }
  }
  UNROLL for (int b = 0; b < B; ++b) {
    const size_t n = output + (size_t)b * 16, left = a->outputs - n;
    const __mmask16 mask = left >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << left) - 1);
    const __m512 scale = _mm512_loadu_ps(a->scale + n), bias = _mm512_loadu_ps(a->bias + n);
    UNROLL for (int r = 0; r < R; ++r) {
      float *y = a->output + (row + (size_t)r) * a->output_stride + n;
      _mm512_mask_storeu_ps(y, mask, _mm512_fmadd_ps(acc[r][b], scale, bias));
    }
  }
}

INLINE void run_outputs(const quern_rowlinear_args *a, size_t row, int R) {
  const size_t padded = (a->outputs + 15) / 16 * 16;
  size_t output = 0;
  for (; output + 64 <= padded; output += 64) run_tile(a, row, output, R, 4);
  for (; output < padded; output += 16) run_tile(a, row, output, R, 1);
}

void quern_rowlinear_avx512(const quern_rowlinear_args *a) {
  size_t row = 0;
  for (; row + 4 <= a->rows; row += 4) run_outputs(a, row, 4);
  for (; row < a->rows; ++row) run_outputs(a, row, 1);
}

#pragma clang attribute pop
#endif
