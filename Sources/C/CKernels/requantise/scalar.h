#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>

// Requantisation, the last step of every int8 kernel (quern_igemm.h), one value at a time. NaN becomes the lower bound.

static inline uint8_t quern_requantise(float real, int32_t zero_point, int32_t output_min, int32_t output_max) {
  real = real > -65536.0f ? real : -65536.0f;
  real = real < 65536.0f ? real : 65536.0f;
  int32_t q = (int32_t)rintf(real) + zero_point;
  q = q > output_min ? q : output_min;
  q = q < output_max ? q : output_max;
  return (uint8_t)q;
}

// The remainder of rounding `real` to q, in 1/256 of a step, plus 128. It does not include the effect of clamping.
static inline uint8_t quern_remainder(float real, uint8_t q, int32_t zero_point, int32_t output_min, int32_t output_max) {
  const float low = (float)(output_min - zero_point), high = (float)(output_max - zero_point);
  real = real > low ? real : low;
  real = real < high ? real : high;
  const int32_t remainder = (int32_t)rintf((real - (float)((int32_t)q - zero_point)) * 256.0f);
  return (uint8_t)((remainder < 127 ? remainder : 127) + 128);
}

// A uint8 level minus its zero point, times the multiplier; with its remainder where `remainder` is not null.
static inline float quern_scaled_level(const uint8_t *q, const uint8_t *remainder, size_t at, int32_t zero_point,
                                       float multiplier) {
  const int32_t level = (int32_t)q[at] - zero_point;
  return remainder ? (float)(256 * level + (int32_t)remainder[at] - 128) * (multiplier / 256.0f) : (float)level * multiplier;
}
