#pragma once
#include <string.h>

#include "../requantise/arm_signed.h"
#include "quern_depthwise.h"

// Loads and stores of the NEON tiers.

#pragma STDC FP_CONTRACT OFF

QUERN_INLINE int8x16_t quern_depthwise_load_neon(const uint8_t *from, size_t count) {
  return quern_signed_neon(quern_load_bytes_neon(from, count));
}

// Stores `count` channels of a row, beginning with `channel`; `sums` are those of 16 channels, with their bias.
QUERN_INLINE void quern_depthwise_store_neon(const quern_depthwise_args *a, const quern_bounds_neon *bounds,
                                             const int32x4_t sums[4], size_t row, size_t channel, size_t count) {
  float32x4_t real[4];
  for (int i = 0; i < 4; ++i) real[i] = vmulq_f32(vcvtq_f32_s32(sums[i]), vld1q_f32(a->multiplier + channel + i * 4));
  const size_t at = row * a->output_stride + channel;
  float floats[16];
  if (a->addend) {
    memcpy(floats, a->addend + at, count * sizeof(float));
    for (int i = 0; i < 4; ++i) real[i] = vaddq_f32(real[i], vld1q_f32(floats + i * 4));
  }
  if (a->output_f32) {
    for (int i = 0; i < 4; ++i) vst1q_f32(floats + i * 4, real[i]);
    memcpy(a->output_f32 + at, floats, count * sizeof(float));
  } else {
    quern_store_bytes_neon(a->output + at, quern_requantise_neon(real, bounds), count);
  }
}
