#include "quern_depthwise_f32.h"
#include "../clamp/clamp.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// Up to 64 channels in 8 registers for one row at a time, then 8 channels; remaining channels are computed one by one.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { width = 8, max_vectors = 8 };

INLINE void run_block(const quern_depthwise_f32_args *a, size_t channel, int V) {
  const float *input = a->input + channel, *weights = a->weights + channel, *bias = a->bias + channel;
  const size_t taps = a->taps, channels = a->channels;
  for (size_t row = 0; row < a->rows; ++row) {
    const int32_t *offsets = a->offsets + row * taps;
    __m256 acc[max_vectors];
    UNROLL for (int v = 0; v < V; ++v) acc[v] = _mm256_loadu_ps(bias + v * width);
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] < 0) continue;
      const float *x = input + offsets[t], *w = weights + t * channels;
      UNROLL for (int v = 0; v < V; ++v) {
        acc[v] = _mm256_fmadd_ps(_mm256_loadu_ps(x + v * width), _mm256_loadu_ps(w + v * width), acc[v]);
      }
    }
    float *y = a->output + row * a->output_stride + channel;
    UNROLL for (int v = 0; v < V; ++v) {
      _mm256_storeu_ps(y + v * width, quern_clamped_256(acc[v], &a->clamp));
    }
  }
}

static void run_tail(const quern_depthwise_f32_args *a, size_t channel) {
  for (size_t row = 0; row < a->rows; ++row) {
    const int32_t *offsets = a->offsets + row * a->taps;
    for (size_t c = channel; c < a->channels; ++c) {
      float acc = a->bias[c];
      for (size_t t = 0; t < a->taps; ++t) {
        if (offsets[t] >= 0) {
          acc = __builtin_fmaf(a->input[(size_t)offsets[t] + c], a->weights[t * a->channels + c], acc);
        }
      }
      a->output[row * a->output_stride + c] = quern_clamped(acc, &a->clamp);
    }
  }
}

void quern_depthwise_f32_avx2(const quern_depthwise_f32_args *a) {
  size_t channel = 0;
  for (; channel + 64 <= a->channels; channel += 64) run_block(a, channel, 8);
  for (; channel + 8 <= a->channels; channel += 8) run_block(a, channel, 1);
  if (channel < a->channels) run_tail(a, channel);
}

#pragma clang attribute pop
#endif
