#include <string.h>

#include "quern_igemm.h"

static size_t groups_of_4(size_t bytes) { return (bytes + 3) / 4; }

size_t quern_igemm_packed_size(size_t output_channels, size_t taps, size_t tap_bytes) {
  return (output_channels + 15) / 16 * taps * groups_of_4(tap_bytes) * 64;
}

void quern_igemm_pack(const int8_t *weights, size_t output_channels, size_t taps, size_t tap_bytes, int8_t *packed) {
  const size_t tap_size = groups_of_4(tap_bytes) * 64, block_size = taps * tap_size;
  memset(packed, 0, quern_igemm_packed_size(output_channels, taps, tap_bytes));
  for (size_t n = 0; n < output_channels; ++n) {
    for (size_t t = 0; t < taps; ++t) {
      int8_t *tap = packed + n / 16 * block_size + t * tap_size + n % 16 * 4;
      const int8_t *from = weights + (n * taps + t) * tap_bytes;
      for (size_t k = 0; k < tap_bytes; ++k) tap[k / 4 * 64 + k % 4] = from[k];
    }
  }
}
