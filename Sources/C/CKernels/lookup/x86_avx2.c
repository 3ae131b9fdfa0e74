#include "functions.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// 32 values at a time, and 16 at the end of a row; the remaining ones of a row are looked up one by one.
//
// A shuffle looks up the low four bits of a byte in one row of the table, and gives 0 where the byte is negative.
// Values below 128, and other values minus 128, are reduced by 16 in each step, so that row r (of eight) is looked up
// for the values that belong to it or to a later row. Each row is stored as its exclusive or with the row before it; so
// the exclusive or of all results is the entry of the row that the value belongs to.

#define INLINE static inline __attribute__((always_inline))

INLINE __m256i looked_up(__m256i all, const __m256i *steps) {
  const __m256i sixteen = _mm256_set1_epi8(16), highest = _mm256_set1_epi8(-128);
  __m256i low = all, high = _mm256_xor_si256(all, highest);
  __m256i found = _mm256_xor_si256(_mm256_shuffle_epi8(steps[0], low), _mm256_shuffle_epi8(steps[8], high));
#pragma clang loop unroll(full)
  for (int row = 1; row < 8; ++row) {
    low = _mm256_subs_epi8(low, sixteen);
    high = _mm256_subs_epi8(high, sixteen);
    found = _mm256_xor_si256(found, _mm256_shuffle_epi8(steps[row], low));
    found = _mm256_xor_si256(found, _mm256_shuffle_epi8(steps[8 + row], high));
  }
  return found;
}

void quern_lookup_avx2(const quern_lookup_args *a) {
  __m256i rows[16];
  for (int i = 0; i < 16; ++i) {
    rows[i] = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(a->table + 16 * i)));
  }
  __m256i steps[16];
  for (int i = 0; i < 16; ++i) steps[i] = i % 8 == 0 ? rows[i] : _mm256_xor_si256(rows[i], rows[i - 1]);
  for (size_t row = 0; row < a->rows; ++row) {
    const uint8_t *x = a->input + row * a->input_stride;
    uint8_t *y = a->output + row * a->output_stride;
    size_t i = 0;
    for (; i + 32 <= a->row_bytes; i += 32) {
      const __m256i values = _mm256_loadu_si256((const __m256i *)(x + i));
      _mm256_storeu_si256((__m256i *)(y + i), looked_up(values, steps));
    }
    if (i + 16 <= a->row_bytes) {
      const __m256i values = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(x + i)));
      _mm_storeu_si128((__m128i *)(y + i), _mm256_castsi256_si128(looked_up(values, steps)));
      i += 16;
    }
    quern_look_up(x + i, a->row_bytes - i, a->table, y + i);
  }
}

#pragma clang attribute pop
#endif
