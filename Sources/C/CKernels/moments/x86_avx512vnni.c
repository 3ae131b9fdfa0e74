#include "quern_moments.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)

// vpdpbusd multiplies unsigned by signed bytes, so one factor is replaced by x - 128, and the accumulators start with
// 128 times the sum of the other.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { tile_rows = 8, tile_blocks = 3 };

// Adds to a block of up to 16 columns of a row.
INLINE void add_block(const quern_moments_args *args, size_t block, __m512i values, int32_t *row) {
  const size_t left = args->columns - block * 16;
  const __mmask16 mask = left >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << left) - 1);
  int32_t *to = row + block * 16;
  _mm512_mask_storeu_epi32(to, mask, _mm512_add_epi32(_mm512_maskz_loadu_epi32(mask, to), values));
}

// Computes rows i of the moments, which lie in one block of columns. The lanes are columns j, from `blocks` blocks with
// the sums `sums`.
INLINE void tile(const quern_moments_args *args, size_t first_row, size_t first_block, int blocks, const __m512i *sums) {
  const __m512i sign = _mm512_set1_epi8((char)0x80);
  const size_t step = args->quads * 64;
  const uint8_t *x = args->packed + first_row / 16 * step + first_row % 16 * 4;
  const uint8_t *y = args->packed + first_block * step;
  __m512i products[tile_rows][tile_blocks];
  UNROLL for (int row = 0; row < tile_rows; row++) {
    UNROLL for (int block = 0; block < blocks; block++) products[row][block] = _mm512_slli_epi32(sums[block], 7);
  }
  for (size_t quad = 0; quad < args->quads; quad++, x += 64, y += 64) {
    __m512i lanes[tile_blocks];
    UNROLL for (int block = 0; block < blocks; block++) lanes[block] = _mm512_loadu_si512(y + (size_t)block * step);
    UNROLL for (int row = 0; row < tile_rows; row++) {
      int32_t bytes;
      memcpy(&bytes, x + row * 4, sizeof bytes);
      const __m512i factor = _mm512_xor_si512(_mm512_set1_epi32(bytes), sign);
      UNROLL for (int block = 0; block < blocks; block++) {
        products[row][block] = _mm512_dpbusd_epi32(products[row][block], lanes[block], factor);
      }
    }
  }
  UNROLL for (int row = 0; row < tile_rows; row++) {
    if (first_row + (size_t)row >= args->columns) return;
    int32_t *to = args->moments + (first_row + (size_t)row) * args->stride;
    UNROLL for (int block = 0; block < blocks; block++) {
      add_block(args, first_block + (size_t)block, products[row][block], to);
    }
  }
}

INLINE void panel(const quern_moments_args *args, size_t first_block, int blocks) {
  const size_t step = args->quads * 64;
  __m512i sums[tile_blocks];
  UNROLL for (int block = 0; block < blocks; block++) {
    const uint8_t *y = args->packed + (first_block + (size_t)block) * step;
    __m512i sum = _mm512_setzero_si512();
    for (size_t quad = 0; quad < args->quads; quad++) {
      sum = _mm512_dpbusd_epi32(sum, _mm512_loadu_si512(y + quad * 64), _mm512_set1_epi8(1));
    }
    sums[block] = sum;
    add_block(args, first_block + (size_t)block, sum, args->sums);
  }
  // The panel stays in the first-level cache for all rows.
  for (size_t row = first_block * 16; row < args->columns; row += tile_rows) {
    tile(args, row, first_block, blocks, sums);
  }
}

void quern_moments_avx512vnni(const quern_moments_args *args) {
  const size_t blocks = (args->columns + 15) / 16;
  size_t block = 0;
  for (; block + tile_blocks <= blocks; block += tile_blocks) panel(args, block, tile_blocks);
  if (blocks - block == 2) panel(args, block, 2);
  if (blocks - block == 1) panel(args, block, 1);
}

#pragma clang attribute pop

#endif
