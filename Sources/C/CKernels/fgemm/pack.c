#include "quern_fgemm.h"

size_t quern_fgemm_packed_count(size_t output_channels, size_t taps, size_t tap_elements) {
  return (output_channels + 15) / 16 * taps * tap_elements * 16;
}

void quern_fgemm_pack(const float *weights, size_t output_channels, size_t taps, size_t tap_elements, float *packed) {
  const size_t depth = taps * tap_elements; // taps and elements are in the same order on both sides
  for (size_t first = 0; first < output_channels; first += 16) {
    const size_t count = output_channels - first < 16 ? output_channels - first : 16;
    for (size_t k = 0; k < depth; ++k, packed += 16) {
      for (size_t n = 0; n < 16; ++n) packed[n] = n < count ? weights[(first + n) * depth + k] : 0.0f;
    }
  }
}
