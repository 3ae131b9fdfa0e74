#include "quern_depthwise_f32.h"
#include "../clamp/clamp.h"

#if defined(__aarch64__)

#include "../requantise/arm_neon.h"

#pragma STDC FP_CONTRACT OFF

// Up to 32 channels in 8 registers for one row at a time, then 4 channels; remaining channels are computed one by one.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { width = 4, max_vectors = 8 };

INLINE void run_block(const quern_depthwise_f32_args *a, size_t channel, int V) {
  const float *input = a->input + channel, *weights = a->weights + channel, *bias = a->bias + channel;
  const size_t taps = a->taps, channels = a->channels;
  for (size_t row = 0; row < a->rows; ++row) {
    const int32_t *offsets = a->offsets + row * taps;
    float32x4_t acc[max_vectors];
    UNROLL for (int v = 0; v < V; ++v) acc[v] = vld1q_f32(bias + v * width);
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] < 0) continue;
      const float *x = input + offsets[t], *w = weights + t * channels;
      UNROLL for (int v = 0; v < V; ++v) acc[v] = vfmaq_f32(acc[v], vld1q_f32(x + v * width), vld1q_f32(w + v * width));
    }
    float *y = a->output + row * a->output_stride + channel;
    UNROLL for (int v = 0; v < V; ++v) vst1q_f32(y + v * width, quern_clamped_neon(acc[v], &a->clamp));
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

void quern_depthwise_f32_neon(const quern_depthwise_f32_args *a) {
  size_t channel = 0;
  for (; channel + 32 <= a->channels; channel += 32) run_block(a, channel, 8);
  for (; channel + 4 <= a->channels; channel += 4) run_block(a, channel, 1);
  if (channel < a->channels) run_tail(a, channel);
}
#endif
