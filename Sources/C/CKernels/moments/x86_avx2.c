#include "functions.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { tile_rows = 4 };

typedef struct {
  __m256i even, odd;
} samples;

// Widens the bytes of four samples to 16 bits, in two pairs, so that vpmaddwd adds products of the same column.
INLINE samples widen(__m256i bytes) {
  return (samples){_mm256_and_si256(bytes, _mm256_set1_epi16(0xFF)), _mm256_srli_epi16(bytes, 8)};
}

INLINE __m256i multiply(__m256i sum, samples a, samples b) {
  return _mm256_add_epi32(
      sum, _mm256_add_epi32(_mm256_madd_epi16(a.even, b.even), _mm256_madd_epi16(a.odd, b.odd)));
}

// Computes four rows of the moments for a block of 16 columns.
INLINE void tile(const quern_moments_args *args, size_t first_row, size_t block) {
  const size_t step = args->quads * 64;
  const uint8_t *x = args->packed + first_row / 16 * step + first_row % 16 * 4;
  const uint8_t *y = args->packed + block * step;
  __m256i products[tile_rows][2];
  UNROLL for (int row = 0; row < tile_rows; row++) products[row][0] = products[row][1] = _mm256_setzero_si256();
  for (size_t quad = 0; quad < args->quads; quad++, x += 64, y += 64) {
    const samples low = widen(_mm256_loadu_si256((const __m256i *)y));
    const samples high = widen(_mm256_loadu_si256((const __m256i *)(y + 32)));
    UNROLL for (int row = 0; row < tile_rows; row++) {
      int32_t bytes;
      memcpy(&bytes, x + row * 4, sizeof bytes);
      const samples factor = widen(_mm256_set1_epi32(bytes));
      products[row][0] = multiply(products[row][0], low, factor);
      products[row][1] = multiply(products[row][1], high, factor);
    }
  }
  for (size_t row = 0; row < tile_rows && first_row + row < args->columns; row++) {
    int32_t values[16];
    _mm256_storeu_si256((__m256i *)values, products[row][0]);
    _mm256_storeu_si256((__m256i *)(values + 8), products[row][1]);
    int32_t *to = args->moments + (first_row + row) * args->stride + block * 16;
    const size_t left = args->columns - block * 16, count = left < 16 ? left : 16;
    for (size_t lane = 0; lane < count; lane++) to[lane] += values[lane];
  }
}

void quern_moments_avx2(const quern_moments_args *args) {
  for (size_t i = 0; i < args->columns; i++) args->sums[i] += quern_column_sum(args, i);
  for (size_t block = 0; block * 16 < args->columns; block++) {
    for (size_t row = block * 16; row < args->columns; row += tile_rows) tile(args, row, block);
  }
}

#pragma clang attribute pop

#endif
