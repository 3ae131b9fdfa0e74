#include "quern_depthwise_f32.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

// Up to 64 channels in 4 registers for one row at a time: the weights of a block of channels stay in the first-level
// cache while the rows pass over them.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { width = 16, max_vectors = 4 };

INLINE void run_block(const quern_depthwise_f32_args *a, size_t channel, __mmask16 last, int V) {
  const float *input = a->input + channel, *weights = a->weights + channel, *bias = a->bias + channel;
  const size_t taps = a->taps, channels = a->channels;
  for (size_t row = 0; row < a->rows; ++row) {
    const int32_t *offsets = a->offsets + row * taps;
    __m512 acc[max_vectors];
    UNROLL for (int v = 0; v < V; ++v) {
      acc[v] = _mm512_maskz_loadu_ps(v == V - 1 ? last : (__mmask16)0xFFFF, bias + v * width);
    }
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] < 0) continue;
      const float *x = input + offsets[t], *w = weights + t * channels;
      UNROLL for (int v = 0; v < V; ++v) {
        const __mmask16 mask = v == V - 1 ? last : (__mmask16)0xFFFF;
        acc[v] = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, x + v * width), _mm512_maskz_loadu_ps(mask, w + v * width),
                                 acc[v]);
      }
    }
    float *y = a->output + row * a->output_stride + channel;
    UNROLL for (int v = 0; v < V; ++v) {
      if (a->relu) acc[v] = _mm512_max_ps(acc[v], _mm512_setzero_ps());
      _mm512_mask_storeu_ps(y + v * width, v == V - 1 ? last : (__mmask16)0xFFFF, acc[v]);
    }
  }
}

void quern_depthwise_f32_avx512(const quern_depthwise_f32_args *a) {
  size_t channel = 0;
  for (; channel + 64 <= a->channels; channel += 64) run_block(a, channel, (__mmask16)0xFFFF, 4);
  const size_t left = a->channels - channel, rest = left % width;
  const __mmask16 last = rest ? (__mmask16)((1u << rest) - 1) : (__mmask16)0xFFFF;
  if (left > 48) {
    run_block(a, channel, last, 4);
  } else if (left > 32) {
    run_block(a, channel, last, 3);
  } else if (left > 16) {
    run_block(a, channel, last, 2);
  } else if (left > 0) {
    run_block(a, channel, last, 1);
  }
}

#pragma clang attribute pop
#endif
