#include <math.h>

#include "functions.h"

#pragma STDC FP_CONTRACT OFF

void quern_max_u8_scalar(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, uint8_t *y,
                         size_t y_stride) {
  for (size_t row = 0; row < rows; ++row, offsets += taps, y += y_stride) {
    for (size_t c = 0; c < channels; ++c) y[c] = 0;
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] < 0) continue;
      const uint8_t *from = x + offsets[t];
      for (size_t c = 0; c < channels; ++c) y[c] = from[c] > y[c] ? from[c] : y[c];
    }
  }
}

void quern_max_f32_scalar(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                          size_t y_stride) {
  for (size_t row = 0; row < rows; ++row, offsets += taps, y += y_stride) {
    for (size_t c = 0; c < channels; ++c) y[c] = -INFINITY;
    for (size_t t = 0; t < taps; ++t) {
      if (offsets[t] < 0) continue;
      const float *from = x + offsets[t];
      for (size_t c = 0; c < channels; ++c) y[c] = from[c] > y[c] || from[c] != from[c] ? from[c] : y[c];
    }
  }
}

void quern_table_sum_scalar(const uint8_t *x, size_t count, size_t stride, size_t channels, const float *table,
                            float *sums) {
  for (size_t i = 0; i < count; ++i, x += stride) {
    for (size_t c = 0; c < channels; ++c) sums[c] = sums[c] + table[x[c]];
  }
}

void quern_sum_u8_scalar(const uint8_t *x, size_t count, size_t stride, size_t channels, uint32_t *sums) {
  for (size_t i = 0; i < count; ++i, x += stride) {
    for (size_t c = 0; c < channels; ++c) sums[c] += x[c];
  }
}

void quern_sum_f32_scalar(const float *x, size_t count, size_t stride, size_t channels, double *sums) {
  for (size_t i = 0; i < count; ++i, x += stride) {
    for (size_t c = 0; c < channels; ++c) sums[c] += (double)x[c];
  }
}

void quern_average_u8_scalar(const uint8_t *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels,
                             int32_t zero_point, uint8_t *y, size_t y_stride) {
  for (size_t row = 0; row < rows; ++row, offsets += taps, y += y_stride) {
    const quern_taps found = quern_count_taps(offsets, taps);
    for (size_t c = 0; c < channels; ++c) {
      int32_t sum = zero_point * (int32_t)found.zeros;
      for (size_t t = 0; t < taps; ++t) {
        if (offsets[t] >= 0) sum += x[(size_t)offsets[t] + c];
      }
      y[c] = (uint8_t)rintf((float)sum / (float)found.count);
    }
  }
}

void quern_average_f32_scalar(const float *x, const int32_t *offsets, size_t rows, size_t taps, size_t channels, float *y,
                              size_t y_stride) {
  for (size_t row = 0; row < rows; ++row, offsets += taps, y += y_stride) {
    const float count = (float)quern_count_taps(offsets, taps).count;
    for (size_t c = 0; c < channels; ++c) {
      float sum = 0;
      for (size_t t = 0; t < taps; ++t) {
        if (offsets[t] >= 0) sum = sum + x[(size_t)offsets[t] + c];
      }
      y[c] = sum / count;
    }
  }
}
