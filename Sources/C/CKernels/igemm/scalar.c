#include "../requantise/scalar.h"
#include "../clamp/clamp.h"
#include "plane.h"

#pragma STDC FP_CONTRACT OFF

// The reference: every other tier gives these bits.

// Computes the sums of the 16 channels of a block. They are unsigned because intermediate sums may wrap.
static void accumulate(const quern_igemm_args *a, quern_igemm_plane p, size_t row, size_t block, uint32_t acc[16]) {
  const size_t groups = (a->tap_bytes + 3) / 4;
  const int8_t *w = a->weights + block * a->taps * groups * 64;
  for (size_t n = 0; n < 16; ++n) acc[n] = (uint32_t)p.bias[block * 16 + n];
  for (size_t t = 0; t < a->taps; ++t, w += groups * 64) {
    const uint8_t *x = quern_igemm_tap(a, p, row, t);
    for (size_t k = 0; k < a->tap_bytes; ++k) {
      const int8_t *group = w + k / 4 * 64 + k % 4;
      for (size_t n = 0; n < 16; ++n) acc[n] += (uint32_t)((int32_t)x[k] * group[n * 4]);
    }
  }
}

static void store(const quern_igemm_args *a, size_t row, size_t n, int32_t acc, int32_t of_remainders) {
  float real = (float)acc * a->multiplier[n];
  if (a->remainders.input) {
    const float part = (float)of_remainders * a->remainders.multiplier[n];
    real = real + part;
  }
  if (a->residual) {
    const float scaled = quern_scaled_level(a->residual, a->residual_remainder, row * a->residual_stride + n,
                                            a->residual_zero_point, a->residual_multiplier);
    real = real + scaled;
  } else if (a->residual_f32) {
    real = real + a->residual_f32[row * a->residual_stride + n];
  }
  const size_t at = row * a->output_stride + n;
  if (a->store == QUERN_STORE_U8) {
    const uint8_t q = quern_requantise(real, a->output_zero_point, a->output_min, a->output_max);
    ((uint8_t *)a->output)[at] = q;
    if (a->output_remainder) {
      a->output_remainder[at] = quern_remainder(real, q, a->output_zero_point, a->output_min, a->output_max);
    }
  } else {
    ((float *)a->output)[at] = quern_clamped(real, &a->clamp);
  }
}

void quern_igemm_scalar(const quern_igemm_args *a) {
  const quern_igemm_plane levels = quern_igemm_levels(a), remainders = quern_igemm_remainder_plane(a);
  for (size_t first = 0; first < a->output_channels; first += 16) {
    const size_t count = a->output_channels - first < 16 ? a->output_channels - first : 16;
    for (size_t row = 0; row < a->rows; ++row) {
      uint32_t acc[16], of_remainders[16] = {0};
      accumulate(a, levels, row, first / 16, acc);
      if (remainders.input) accumulate(a, remainders, row, first / 16, of_remainders);
      for (size_t n = 0; n < count; ++n) store(a, row, first + n, (int32_t)acc[n], (int32_t)of_remainders[n]);
    }
  }
}
