#pragma once
#include "arm_neon.h"

// NEON multiplies bytes only if both are signed or both unsigned. Inputs are replaced by x - 128, which flips their top
// bit, and sums start with bias + 128 * (sum of the channel's weights), which compensates for it exactly: accumulators
// wrap.

QUERN_INLINE int8x16_t quern_signed_neon(uint8x16_t x) { return vreinterpretq_s8_u8(veorq_u8(x, vdupq_n_u8(0x80))); }

// Computes the initial sums of a block of 16 channels. Both packed forms have groups of 16 channels x 4 bytes.
QUERN_INLINE void quern_signed_bias_neon(const int32_t *bias, const int8_t *weights, size_t groups, int32x4_t start[4]) {
  int32x4_t sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = vdupq_n_s32(0);
  for (size_t g = 0; g < groups; ++g, weights += 64) {
    for (int i = 0; i < 4; ++i) sums[i] = vpadalq_s16(sums[i], vpaddlq_s8(vld1q_s8(weights + i * 16)));
  }
  for (int i = 0; i < 4; ++i) start[i] = vaddq_s32(vld1q_s32(bias + i * 4), vshlq_n_s32(sums[i], 7));
}
