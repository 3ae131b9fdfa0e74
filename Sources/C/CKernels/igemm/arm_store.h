#pragma once
#include <string.h>
#include "../clamp/clamp.h"

#include "../requantise/arm_signed.h"
#include "plane.h"

// What the sums of 16 channels start with, for both planes of the input.
typedef struct {
  int32x4_t levels[4], remainders[4];
} quern_igemm_start_neon;

// `groups` is the number of groups of 4 bytes in all taps.
QUERN_INLINE quern_igemm_start_neon quern_igemm_start_neon_make(const quern_igemm_args *a, size_t channel, size_t groups) {
  quern_igemm_start_neon start = {0};
  quern_signed_bias_neon(a->bias + channel, a->weights + channel / 16 * groups * 64, groups, start.levels);
  if (a->remainders.input) {
    // Both planes have the same weights, and so the same difference from their bias.
    for (int i = 0; i < 4; ++i) {
      const int32x4_t compensation = vsubq_s32(start.levels[i], vld1q_s32(a->bias + channel + i * 4));
      start.remainders[i] = vaddq_s32(vld1q_s32(a->remainders.bias + channel + i * 4), compensation);
    }
  }
  return start;
}

// The epilogue of the NEON tiers.

#pragma STDC FP_CONTRACT OFF

QUERN_INLINE void quern_add_residual_neon(const quern_igemm_args *a, size_t row, size_t channel, size_t count,
                                          float32x4_t real[4]) {
  if (a->residual) {
    const size_t at = row * a->residual_stride + channel;
    const uint8x16_t levels = quern_load_bytes_neon(a->residual + at, count);
    const float32x4_t multiplier = vdupq_n_f32(a->residual_multiplier);
    const float32x4_t factors[4] = {multiplier, multiplier, multiplier, multiplier};
    float32x4_t residual[4];
    if (a->residual_remainder) {
      const uint8x16_t remainders = quern_load_bytes_neon(a->residual_remainder + at, count);
      quern_scaled_fine_neon(levels, remainders, a->residual_zero_point, factors, residual);
    } else {
      quern_scaled_neon(levels, a->residual_zero_point, factors, residual);
    }
    for (int i = 0; i < 4; ++i) real[i] = vaddq_f32(real[i], residual[i]);
  } else if (a->residual_f32) {
    const float *from = a->residual_f32 + row * a->residual_stride + channel;
    float floats[16] = {0};
    if (count < 16) memcpy(floats, from, count * sizeof(float));
    for (int i = 0; i < 4; ++i) real[i] = vaddq_f32(real[i], vld1q_f32((count == 16 ? from : floats) + i * 4));
  }
}

// Computes the reals of 16 sums of the plane of remainders.
QUERN_INLINE void quern_igemm_part_neon(const quern_igemm_args *a, const int32x4_t sums[4], size_t channel,
                                        float part[16]) {
  for (int i = 0; i < 4; ++i) {
    const float32x4_t multiplier = vld1q_f32(a->remainders.multiplier + channel + i * 4);
    vst1q_f32(part + i * 4, vmulq_f32(vcvtq_f32_s32(sums[i]), multiplier));
  }
}

// Stores `count` channels of a row, beginning with `channel`; `sums` are those of 16 channels, with their bias, and
// `part` the reals of the remainders' sums, where there are any.
QUERN_INLINE void quern_igemm_store_neon(const quern_igemm_args *a, const quern_bounds_neon *bounds,
                                         const int32x4_t sums[4], const float part[16], size_t row, size_t channel,
                                         size_t count) {
  float32x4_t real[4];
  for (int i = 0; i < 4; ++i) real[i] = vmulq_f32(vcvtq_f32_s32(sums[i]), vld1q_f32(a->multiplier + channel + i * 4));
  if (a->remainders.input) {
    for (int i = 0; i < 4; ++i) real[i] = vaddq_f32(real[i], vld1q_f32(part + i * 4));
  }
  quern_add_residual_neon(a, row, channel, count, real);
  const size_t at = row * a->output_stride + channel;
  if (a->store == QUERN_STORE_U8) {
    quern_store_bytes_neon((uint8_t *)a->output + at, quern_requantise_neon(real, bounds), count);
    if (a->output_remainder) {
      const uint8x16_t remainders = quern_remainder_neon(real, bounds);
      quern_store_bytes_neon(a->output_remainder + at, remainders, count);
    }
  } else {
    float *y = (float *)a->output + at, floats[16];
    for (int i = 0; i < 4; ++i) {
      vst1q_f32((count == 16 ? y : floats) + i * 4, quern_clamped_neon(real[i], &a->clamp));
    }
    if (count < 16) memcpy(y, floats, count * sizeof(float));
  }
}

// The number of rows whose input stays in the second-level cache while it is multiplied with all blocks of weights.
QUERN_INLINE size_t quern_igemm_rows_per_pass_neon(const quern_igemm_args *a) {
  enum { bytes = 128 * 1024, min_rows = 48 };
  const size_t rows = a->tap_bytes ? bytes / a->tap_bytes : a->rows;
  return rows > min_rows ? rows : min_rows;
}
