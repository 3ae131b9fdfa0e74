#include "../requantise/scalar.h"
#include "functions.h"

#pragma STDC FP_CONTRACT OFF

void quern_quantize_scalar(const float *x, size_t count, float scale, int32_t zero_point, uint8_t *q) {
  for (size_t i = 0; i < count; ++i) q[i] = quern_requantise(x[i] / scale, zero_point, 0, 255);
}

void quern_dequantize_scalar(const uint8_t *q, size_t count, float scale, int32_t zero_point, float *x) {
  for (size_t i = 0; i < count; ++i) x[i] = scale * (float)((int32_t)q[i] - zero_point);
}

void quern_add_scalar(const uint8_t *a, int32_t za, float ma, const uint8_t *b, int32_t zb, float mb, size_t count,
                      int32_t zero_point, int32_t output_min, uint8_t *q) {
  for (size_t i = 0; i < count; ++i) {
    const float first = (float)((int32_t)a[i] - za) * ma, second = (float)((int32_t)b[i] - zb) * mb;
    q[i] = quern_requantise(first + second, zero_point, output_min, 255);
  }
}

void quern_requantize_scalar(const uint8_t *a, int32_t za, float ma, size_t count, int32_t zero_point,
                             int32_t output_min, uint8_t *q) {
  for (size_t i = 0; i < count; ++i) {
    q[i] = quern_requantise((float)((int32_t)a[i] - za) * ma, zero_point, output_min, 255);
  }
}

void quern_bias_activation_scalar(float *x, size_t rows, size_t channels, size_t stride, const float *bias,
                                  const float *residual, size_t residual_stride, int relu) {
  for (size_t row = 0; row < rows; ++row) {
    float *values = x + row * stride;
    for (size_t c = 0; c < channels; ++c) {
      float value = values[c] + bias[c];
      if (residual) value = value + residual[row * residual_stride + c];
      values[c] = relu ? quern_relu(value) : value;
    }
  }
}

static float scaled(const uint8_t *a, int32_t za, const float *x, float factor, const uint8_t *residual, size_t at,
                    int32_t zr, float mr) {
  const float real = (x ? x[at] : (float)((int32_t)a[at] - za)) * factor;
  if (!residual) return real;
  const float other = (float)((int32_t)residual[at] - zr) * mr;
  return real + other;
}

void quern_scale_u8_scalar(const uint8_t *a, int32_t za, const float *x, const float *factors, const uint8_t *residual,
                           int32_t zr, float mr, size_t rows, size_t channels, int32_t zero_point, int32_t output_min,
                           uint8_t *q) {
  for (size_t row = 0; row < rows; ++row) {
    for (size_t c = 0; c < channels; ++c) {
      const size_t at = row * channels + c;
      q[at] = quern_requantise(scaled(a, za, x, factors[c], residual, at, zr, mr), zero_point, output_min, 255);
    }
  }
}

void quern_scale_f32_scalar(const uint8_t *a, int32_t za, const float *x, const float *factors, const uint8_t *residual,
                            int32_t zr, float mr, size_t rows, size_t channels, int relu, float *y) {
  for (size_t row = 0; row < rows; ++row) {
    for (size_t c = 0; c < channels; ++c) {
      const size_t at = row * channels + c;
      const float real = scaled(a, za, x, factors[c], residual, at, zr, mr);
      y[at] = relu ? quern_relu(real) : real;
    }
  }
}
