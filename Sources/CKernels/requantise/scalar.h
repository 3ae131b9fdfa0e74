#pragma once
#include <math.h>
#include <stdint.h>

// The last step of every int8 kernel (quern_igemm.h), one value at a time. NaN becomes the lower bound.

static inline uint8_t quern_requantise(float real, int32_t zero_point, int32_t output_min, int32_t output_max) {
  real = real > -65536.0f ? real : -65536.0f;
  real = real < 65536.0f ? real : 65536.0f;
  int32_t q = (int32_t)rintf(real) + zero_point;
  q = q > output_min ? q : output_min;
  q = q < output_max ? q : output_max;
  return (uint8_t)q;
}

static inline float quern_relu(float x) { return x > 0.0f ? x : 0.0f; }
