#include <string.h>

#include "quern_depthwise.h"

size_t quern_depthwise_packed_size(size_t channels, size_t taps) { return (channels + 15) / 16 * ((taps + 3) / 4) * 64; }

void quern_depthwise_pack(const int8_t *weights, size_t channels, size_t taps, int8_t *packed) {
  const size_t block_size = (taps + 3) / 4 * 64;
  memset(packed, 0, quern_depthwise_packed_size(channels, taps));
  for (size_t c = 0; c < channels; ++c) {
    int8_t *channel = packed + c / 16 * block_size + c % 16 * 4;
    for (size_t t = 0; t < taps; ++t) channel[t / 4 * 64 + t % 4] = weights[c * taps + t];
  }
}
