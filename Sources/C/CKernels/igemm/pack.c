#include <string.h>

#include "quern_igemm.h"

static size_t groups_of_4(size_t bytes) { return (bytes + 3) / 4; }

size_t quern_igemm_packed_size(size_t output_channels, size_t taps, size_t tap_bytes) {
  return (output_channels + 15) / 16 * taps * groups_of_4(tap_bytes) * 64;
}

void quern_igemm_pack(const int8_t *weights, size_t output_channels, size_t taps, size_t tap_bytes, int8_t *packed) {
  const size_t whole = tap_bytes / 4, tail = tap_bytes % 4;
  for (size_t block = 0; block < output_channels; block += 16) {
    const size_t channels = output_channels - block < 16 ? output_channels - block : 16;
    for (size_t t = 0; t < taps; ++t) {
      const int8_t *from = weights + (block * taps + t) * tap_bytes;
      for (size_t k = 0; k < whole; ++k, packed += 64) {
        if (channels < 16) memset(packed, 0, 64);
        for (size_t n = 0; n < channels; ++n) memcpy(packed + n * 4, from + n * taps * tap_bytes + k * 4, 4);
      }
      if (tail == 0) continue;
      memset(packed, 0, 64);
      for (size_t n = 0; n < channels; ++n) {
        for (size_t i = 0; i < tail; ++i) packed[n * 4 + i] = from[n * taps * tap_bytes + whole * 4 + i];
      }
      packed += 64;
    }
  }
}

int8_t quern_igemm_sums(const int8_t *weights, size_t output_channels, size_t length, int32_t *sums) {
  int8_t minimum = 0;
  for (size_t n = 0; n < output_channels; ++n, weights += length) {
    int32_t sum = 0;
    for (size_t k = 0; k < length; ++k) sum += weights[k];
    for (size_t k = 0; k < length; ++k) minimum = weights[k] < minimum ? weights[k] : minimum;
    sums[n] = sum;
  }
  return minimum;
}
