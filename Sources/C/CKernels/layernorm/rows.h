// Layer normalisation in plain C, compiled for the instruction set of each tier. Sums of integers are exact, those of
// floats have a fixed order, and no operation is fused with another, so that all tiers give the same bits.
#include <math.h>

#include "../requantise/scalar.h"
#include "functions.h"

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))

// A value without its zero point: a level, or 256 levels plus a remainder byte.
INLINE int32_t value_at(const uint8_t *levels, const uint8_t *remainders, size_t c) {
  return remainders ? 256 * (int32_t)levels[c] + remainders[c] : levels[c];
}

INLINE void store_row(const quern_layernorm_args *a, size_t row, size_t c, float real) {
  const size_t at = row * a->channels + c;
  if (a->output_f32) {
    a->output_f32[at] = real;
    return;
  }
  const uint8_t q = quern_requantise(real, a->output_zero_point, 0, 255);
  a->output[at] = q;
  if (a->output_remainder) a->output_remainder[at] = quern_remainder(real, q, a->output_zero_point, 0, 255);
}

// Stores a row of levels; without remainders, the loop has no branches, so that it is vectorised.
INLINE void finish_levels(const quern_layernorm_args *a, size_t row, float mean, float factor) {
  const size_t channels = a->channels;
  const uint8_t *levels = a->input + row * channels;
  const float *weight = a->weight, *bias = a->bias;
  if (a->input_remainder || a->output_remainder || a->output_f32) {
    const uint8_t *remainders = a->input_remainder ? a->input_remainder + row * channels : 0;
    for (size_t c = 0; c < channels; ++c) {
      const float v = (float)value_at(levels, remainders, c);
      store_row(a, row, c, ((v - mean) * factor) * weight[c] + bias[c]);
    }
    return;
  }
  uint8_t *output = a->output + row * channels;
  const float low = (float)(0 - a->output_zero_point), high = (float)(255 - a->output_zero_point);
  for (size_t c = 0; c < channels; ++c) {
    float real = (((float)levels[c] - mean) * factor) * weight[c] + bias[c];
    // One clamp before rounding, as in requantise/x86_avx512.h.
    real = real > low ? real : low;
    real = real < high ? real : high;
    output[c] = (uint8_t)((int32_t)rintf(real) + a->output_zero_point);
  }
}

INLINE void run_levels(const quern_layernorm_args *a) {
  const size_t channels = a->channels;
  const double count = (double)channels;
  for (size_t row = 0; row < a->rows; ++row) {
    const uint8_t *levels = a->input + row * channels;
    int64_t sum = 0, squares = 0;
    if (a->input_remainder) {
      const uint8_t *remainders = a->input_remainder + row * channels;
      for (size_t c = 0; c < channels; ++c) {
        const int64_t v = value_at(levels, remainders, c);
        sum += v;
        squares += v * v;
      }
    } else {
      // Both sums fit 32 bits, since there are at most 32768 channels.
      uint32_t sum_32 = 0, squares_32 = 0;
      for (size_t c = 0; c < channels; ++c) {
        const uint32_t v = levels[c];
        sum_32 += v;
        squares_32 += v * v;
      }
      sum = sum_32;
      squares = squares_32;
    }
    const int64_t deviations = (int64_t)channels * squares - sum * sum;
    const double variance = (double)deviations / (count * count) * a->step * a->step;
    finish_levels(a, row, (float)((double)sum / count), (float)(a->step / sqrt(variance + a->epsilon)));
  }
}

enum { lanes = 8 };

INLINE double total(const double partial[lanes]) {
  return ((partial[0] + partial[4]) + (partial[2] + partial[6])) + ((partial[1] + partial[5]) + (partial[3] + partial[7]));
}

INLINE void run_reals(const quern_layernorm_args *a) {
  const size_t channels = a->channels;
  for (size_t row = 0; row < a->rows; ++row) {
    const float *x = a->reals + row * channels;
    double sums[lanes] = {0}, squares[lanes] = {0};
    const size_t whole = channels / lanes * lanes;
    for (size_t c = 0; c < whole; c += lanes) {
      for (size_t i = 0; i < lanes; ++i) sums[i] += (double)x[c + i];
    }
    for (size_t c = whole; c < channels; ++c) sums[c - whole] += (double)x[c];
    const double mean = total(sums) / (double)channels;
    for (size_t c = 0; c < whole; c += lanes) {
      for (size_t i = 0; i < lanes; ++i) {
        const double d = (double)x[c + i] - mean;
        squares[i] += d * d;
      }
    }
    for (size_t c = whole; c < channels; ++c) {
      const double d = (double)x[c] - mean;
      squares[c - whole] += d * d;
    }
    const float factor = (float)(1.0 / sqrt(total(squares) / (double)channels + a->epsilon)), centre = (float)mean;
    if (a->output_f32) {
      float *y = a->output_f32 + row * channels;
      for (size_t c = 0; c < channels; ++c) y[c] = ((x[c] - centre) * factor) * a->weight[c] + a->bias[c];
    } else {
      for (size_t c = 0; c < channels; ++c) {
        store_row(a, row, c, ((x[c] - centre) * factor) * a->weight[c] + a->bias[c]);
      }
    }
  }
}

INLINE void run_rows(const quern_layernorm_args *a) {
  if (a->reals) {
    run_reals(a);
  } else {
    run_levels(a);
  }
}
