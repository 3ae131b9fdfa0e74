#include <string.h>

#include "quern_igemm.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

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

// The sum of some weights; `minimum` becomes the minimum of itself and all of them.
static int32_t sum(const int8_t *weights, size_t length, int8_t *minimum) {
  int32_t total = 0;
  size_t k = 0;
#if defined(__SSE2__)
  // As bytes without sign, which are 128 larger, they can be summed by an instruction.
  const __m128i sign = _mm_set1_epi8(-128), zero = _mm_setzero_si128();
  __m128i sums = zero, least = _mm_set1_epi8((char)(*minimum ^ -128));
  for (; k + 16 <= length; k += 16) {
    const __m128i bytes = _mm_xor_si128(_mm_loadu_si128((const __m128i *)(weights + k)), sign);
    sums = _mm_add_epi64(sums, _mm_sad_epu8(bytes, zero));
    least = _mm_min_epu8(least, bytes);
  }
  total = _mm_cvtsi128_si32(sums) + _mm_cvtsi128_si32(_mm_srli_si128(sums, 8)) - 128 * (int32_t)k;
  least = _mm_min_epu8(least, _mm_srli_si128(least, 8));
  least = _mm_min_epu8(least, _mm_srli_si128(least, 4));
  least = _mm_min_epu8(least, _mm_srli_si128(least, 2));
  least = _mm_min_epu8(least, _mm_srli_si128(least, 1));
  *minimum = (int8_t)(_mm_cvtsi128_si32(least) ^ 128);
#endif
  for (; k < length; ++k) {
    total += weights[k];
    if (weights[k] < *minimum) *minimum = weights[k];
  }
  return total;
}

int8_t quern_igemm_sums(const int8_t *weights, size_t output_channels, size_t length, int32_t *sums) {
  int8_t minimum = 0;
  for (size_t n = 0; n < output_channels; ++n, weights += length) sums[n] = sum(weights, length, &minimum);
  return minimum;
}
