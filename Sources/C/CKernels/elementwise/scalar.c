#include "../requantise/scalar.h"
#include "../clamp/clamp.h"
#include "functions.h"

#pragma STDC FP_CONTRACT OFF

void quern_quantize_scalar(const float *x, size_t count, float scale, int32_t zero_point, uint8_t *q) {
  for (size_t i = 0; i < count; ++i) q[i] = quern_requantise(x[i] / scale, zero_point, 0, 255);
}

void quern_dequantize_scalar(const uint8_t *q, size_t count, float scale, int32_t zero_point, float *x) {
  for (size_t i = 0; i < count; ++i) x[i] = scale * (float)((int32_t)q[i] - zero_point);
}

void quern_add_scalar(const uint8_t *a, int32_t za, float ma, const uint8_t *b, int32_t zb, float mb, size_t count,
                      int32_t zero_point, int32_t output_min, int32_t output_max, uint8_t *q) {
  for (size_t i = 0; i < count; ++i) {
    const float first = (float)((int32_t)a[i] - za) * ma, second = (float)((int32_t)b[i] - zb) * mb;
    q[i] = quern_requantise(first + second, zero_point, output_min, output_max);
  }
}

void quern_multiply_scalar(const uint8_t *a, int32_t za, float factor, const uint8_t *b, int32_t zb, size_t count,
                           int32_t zero_point, uint8_t *q) {
  for (size_t i = 0; i < count; ++i) {
    const float first = (float)((int32_t)a[i] - za) * factor, second = (float)((int32_t)b[i] - zb);
    q[i] = quern_requantise(first * second, zero_point, 0, 255);
  }
}

void quern_prelu_scalar(const uint8_t *a, int32_t za, float positive, const float *negative, size_t channels,
                        size_t rows, int32_t zero_point, uint8_t *q) {
  for (size_t row = 0; row < rows; ++row, a += channels, q += channels) {
    for (size_t c = 0; c < channels; ++c) {
      const int32_t centred = (int32_t)a[c] - za;
      q[c] = quern_requantise((float)centred * (centred > 0 ? positive : negative[c]), zero_point, 0, 255);
    }
  }
}

void quern_requantize_scalar(const uint8_t *a, int32_t za, float ma, size_t count, int32_t zero_point,
                             int32_t output_min, uint8_t *q) {
  for (size_t i = 0; i < count; ++i) {
    q[i] = quern_requantise((float)((int32_t)a[i] - za) * ma, zero_point, output_min, 255);
  }
}

static float scaled_sum(const quern_scale_args *a, size_t at, float factor) {
  const float real = a->reals ? a->reals[at] * factor
                              : quern_scaled_level(a->map, a->map_remainder, at, a->map_zero_point, factor);
  if (!a->residual) return real;
  const float other =
      quern_scaled_level(a->residual, a->residual_remainder, at, a->residual_zero_point, a->residual_multiplier);
  return real + other;
}

void quern_scale_scalar(const quern_scale_args *a) {
  for (size_t row = 0; row < a->rows; ++row) {
    for (size_t c = 0; c < a->channels; ++c) {
      const size_t at = row * a->channels + c;
      const float real = scaled_sum(a, at, a->factors[c]);
      if (a->output_f32) {
        a->output_f32[at] = quern_clamped(real, &a->clamp);
        continue;
      }
      const uint8_t q = quern_requantise(real, a->output_zero_point, a->output_min, a->output_max);
      a->output[at] = q;
      if (a->output_remainder) {
        a->output_remainder[at] = quern_remainder(real, q, a->output_zero_point, a->output_min, a->output_max);
      }
    }
  }
}
