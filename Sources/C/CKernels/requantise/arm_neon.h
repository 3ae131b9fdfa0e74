#pragma once
#include <arm_neon.h>
#include <stddef.h>
#include <stdint.h>

#include "partial.h"

// requantise/scalar.h, 16 values at a time. x86_avx512.h explains why one clamp is enough.

#pragma STDC FP_CONTRACT OFF

#define QUERN_INLINE static inline __attribute__((always_inline))

typedef struct {
  float32x4_t low, high; // bounds of the real value
  int16x8_t zero_point;
} quern_bounds_neon;

QUERN_INLINE quern_bounds_neon quern_bounds_neon_make(int32_t zero_point, int32_t output_min, int32_t output_max) {
  return (quern_bounds_neon){vdupq_n_f32((float)(output_min - zero_point)), vdupq_n_f32((float)(output_max - zero_point)),
                             vdupq_n_s16((int16_t)zero_point)};
}

// Of a number and a quiet NaN, vmaxnm returns the number, and NaNs from arithmetic are quiet.
QUERN_INLINE float32x4_t quern_clamp_neon(float32x4_t real, const quern_bounds_neon *bounds) {
  return vminnmq_f32(vmaxnmq_f32(real, bounds->low), bounds->high);
}

// Rounds to int16, without adding the zero point.
QUERN_INLINE int16x4_t quern_round_neon(float32x4_t real, const quern_bounds_neon *bounds) {
  return vqmovn_s32(vcvtnq_s32_f32(quern_clamp_neon(real, bounds)));
}

// The remainder of that rounding (quern_remainder).
QUERN_INLINE int16x4_t quern_signed_remainder_neon(float32x4_t real, const quern_bounds_neon *bounds) {
  const float32x4_t clamped = quern_clamp_neon(real, bounds);
  return vqmovn_s32(vcvtnq_s32_f32(vmulq_n_f32(vsubq_f32(clamped, vrndnq_f32(clamped)), 256.0f)));
}

// Converts four vectors of 4 real values to 16 levels.
QUERN_INLINE uint8x16_t quern_requantise_neon(const float32x4_t real[4], const quern_bounds_neon *bounds) {
  const int16x8_t low = vcombine_s16(quern_round_neon(real[0], bounds), quern_round_neon(real[1], bounds));
  const int16x8_t high = vcombine_s16(quern_round_neon(real[2], bounds), quern_round_neon(real[3], bounds));
  return vcombine_u8(vqmovun_s16(vaddq_s16(low, bounds->zero_point)), vqmovun_s16(vaddq_s16(high, bounds->zero_point)));
}

// The remainders of these levels.
QUERN_INLINE uint8x16_t quern_remainder_neon(const float32x4_t real[4], const quern_bounds_neon *bounds) {
  const int16x8_t low =
      vcombine_s16(quern_signed_remainder_neon(real[0], bounds), quern_signed_remainder_neon(real[1], bounds));
  const int16x8_t high =
      vcombine_s16(quern_signed_remainder_neon(real[2], bounds), quern_signed_remainder_neon(real[3], bounds));
  const uint8x16_t bytes = vreinterpretq_u8_s8(vcombine_s8(vqmovn_s16(low), vqmovn_s16(high)));
  return veorq_u8(bytes, vdupq_n_u8(0x80));
}

// 16 levels minus their zero point.
QUERN_INLINE void quern_centred_neon(uint8x16_t levels, int32_t zero_point, int32x4_t centred[4]) {
  const uint16x8_t low = vmovl_u8(vget_low_u8(levels)), high = vmovl_high_u8(levels);
  const uint32x4_t wide[4] = {vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)),
                              vmovl_high_u16(high)};
  for (int i = 0; i < 4; ++i) centred[i] = vsubq_s32(vreinterpretq_s32_u32(wide[i]), vdupq_n_s32(zero_point));
}

// 16 levels minus their zero point, times factors.
QUERN_INLINE void quern_scaled_neon(uint8x16_t levels, int32_t zero_point, const float32x4_t factors[4],
                                    float32x4_t real[4]) {
  int32x4_t centred[4];
  quern_centred_neon(levels, zero_point, centred);
  for (int i = 0; i < 4; ++i) real[i] = vmulq_f32(vcvtq_f32_s32(centred[i]), factors[i]);
}

// As above, with remainders (quern_scaled_level).
QUERN_INLINE void quern_scaled_fine_neon(uint8x16_t levels, uint8x16_t remainders, int32_t zero_point,
                                         const float32x4_t factors[4], float32x4_t real[4]) {
  int32x4_t centred[4];
  quern_centred_neon(levels, zero_point, centred);
  const int8x16_t signed_bytes = vreinterpretq_s8_u8(veorq_u8(remainders, vdupq_n_u8(0x80)));
  const int16x8_t low = vmovl_s8(vget_low_s8(signed_bytes)), high = vmovl_high_s8(signed_bytes);
  const int16x4_t remainder[4] = {vget_low_s16(low), vget_high_s16(low), vget_low_s16(high), vget_high_s16(high)};
  for (int i = 0; i < 4; ++i) {
    const int32x4_t fine = vaddw_s16(vshlq_n_s32(centred[i], 8), remainder[i]);
    real[i] = vmulq_f32(vcvtq_f32_s32(fine), vmulq_n_f32(factors[i], 1.0f / 256.0f));
  }
}

// Loads `count` bytes, followed by zeros up to 16.
QUERN_INLINE uint8x16_t quern_load_bytes_neon(const void *from, size_t count) {
  if (count == 16) return vld1q_u8(from);
  const quern_16_bytes bytes = quern_read_partial(from, count);
  return vcombine_u8(vcreate_u8(bytes.low), vcreate_u8(bytes.high));
}

QUERN_INLINE void quern_store_bytes_neon(void *to, uint8x16_t values, size_t count) {
  uint8_t bytes[16];
  vst1q_u8(count == 16 ? to : bytes, values);
  if (count < 16) quern_write_partial(to, bytes, count);
}
