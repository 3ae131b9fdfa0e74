#include "quern_fgemm.h"
#include "quern_winograd.h"

#pragma STDC FP_CONTRACT OFF

size_t quern_winograd_packed_count(size_t output_channels, size_t channels) {
  return QUERN_WINOGRAD_FREQUENCIES * quern_fgemm_packed_count(output_channels, 1, channels);
}

static void transform(double g0, double g1, double g2, double t[4]) {
  t[0] = g0;
  t[1] = ((g0 + g2) + g1) * 0.5;
  t[2] = ((g0 + g2) - g1) * 0.5;
  t[3] = g2;
}

enum { width = 16, inputs = 16 };

// Computes the frequencies of some channels of one output. Taps are `stride` floats apart, frequencies width * inputs
// floats.
static void transform_taps(const float *restrict taps, size_t stride, size_t channels, float *restrict frequencies) {
  for (size_t k = 0; k < channels; ++k) {
    const float *tap = taps + k;
    double columns[3][4];
    for (size_t x = 0; x < 3; ++x) transform(tap[x * stride], tap[(3 + x) * stride], tap[(6 + x) * stride], columns[x]);
    for (size_t i = 0; i < 4; ++i) {
      double row[4];
      transform(columns[0][i], columns[1][i], columns[2][i], row);
      for (size_t j = 0; j < 4; ++j) frequencies[(4 * i + j) * width * inputs + k] = (float)row[j];
    }
  }
}

void quern_winograd_pack(const float *weights, size_t output_channels, size_t channels, float *packed) {
  const size_t matrix = quern_fgemm_packed_count(output_channels, 1, channels);
  for (size_t first = 0; first < output_channels; first += width) {
    const size_t outputs = output_channels - first < width ? output_channels - first : width;
    for (size_t k = 0; k < channels; k += inputs) {
      const size_t count = channels - k < inputs ? channels - k : inputs;
      // A few channels at a time, so that both reads and writes are local.
      float block[QUERN_WINOGRAD_FREQUENCIES * width * inputs] = {0};
      for (size_t n = 0; n < outputs; ++n) {
        transform_taps(weights + (first + n) * 9 * channels + k, channels, count, block + n * inputs);
      }
      for (size_t f = 0; f < QUERN_WINOGRAD_FREQUENCIES; ++f) {
        float *to = packed + f * matrix + (first / width * channels + k) * width;
        for (size_t i = 0; i < count; ++i) {
          for (size_t n = 0; n < width; ++n) to[i * width + n] = block[(f * width + n) * inputs + i];
        }
      }
    }
  }
}
