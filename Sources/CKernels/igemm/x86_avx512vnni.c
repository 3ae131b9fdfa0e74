#include "quern_igemm.h"

#if defined(__x86_64__)

#include <string.h>

#include "../requantise/x86_avx512.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)

// A tile is R rows x B blocks of 16 channels held in R * B registers. For each 4 bytes of a tap, one broadcast a row and
// one load a block feed R * B vpdpbusd.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 12, max_blocks = 4 };

typedef struct {
  const quern_igemm_args *args;
  quern_bounds_512 bounds;
  size_t block_bytes;
} context;

// The lowest `count` lanes of 16, from block `b` of a tile with `count` channels.
INLINE __mmask16 channel_mask(size_t count, int b) {
  const size_t first = (size_t)b * 16;
  return count >= first + 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << (count - first)) - 1);
}

INLINE void store_u8(uint8_t *y, const __m512i *q, const quern_bounds_512 *bounds, size_t count, int B) {
  if (B == 4 && count == 64) {
    _mm512_storeu_si512(y, quern_pack_512(q[0], q[1], q[2], q[3], bounds));
    return;
  }
  UNROLL for (int b = 0; b < B; ++b) {
    const __m128i bytes = quern_pack16_512(q[b], bounds);
    if (count >= (size_t)b * 16 + 16) {
      _mm_storeu_si128((__m128i *)(y + b * 16), bytes); // masked byte stores are slow on some processors
    } else {
      _mm_mask_storeu_epi8(y + b * 16, channel_mask(count, b), bytes);
    }
  }
}

INLINE __m128i load_bytes(const void *from, size_t count, int b) {
  const char *block = (const char *)from + b * 16;
  return count >= (size_t)b * 16 + 16 ? _mm_loadu_si128((const __m128i *)block)
                                      : _mm_maskz_loadu_epi8(channel_mask(count, b), block);
}

INLINE void store_remainders(int8_t *y, const __m512 *real, const __m512i *q, const quern_bounds_512 *bounds,
                             size_t count, int B) {
  UNROLL for (int b = 0; b < B; ++b) {
    const __m128i bytes = quern_remainder_512(real[b], q[b], bounds);
    if (count >= (size_t)b * 16 + 16) {
      _mm_storeu_si128((__m128i *)(y + b * 16), bytes);
    } else {
      _mm_mask_storeu_epi8(y + b * 16, channel_mask(count, b), bytes);
    }
  }
}

// real + the uint8 residual of one row.
INLINE void add_levels(const quern_igemm_args *a, size_t at, size_t count, __m512 *real, int B) {
  const __m512i zero_point = _mm512_set1_epi32(a->residual_zero_point);
  const __m512 multiplier = _mm512_set1_ps(a->residual_remainder ? a->residual_multiplier / 256.0f : a->residual_multiplier);
  UNROLL for (int b = 0; b < B; ++b) {
    __m512i level = _mm512_sub_epi32(_mm512_cvtepu8_epi32(load_bytes(a->residual + at, count, b)), zero_point);
    if (a->residual_remainder) {
      const __m512i rest = _mm512_cvtepi8_epi32(load_bytes(a->residual_remainder + at, count, b));
      level = _mm512_add_epi32(_mm512_slli_epi32(level, 8), rest);
    }
    real[b] = _mm512_add_ps(real[b], _mm512_mul_ps(_mm512_cvtepi32_ps(level), multiplier));
  }
}

// The epilogue for one row of a tile: its accumulators are of `count` channels from `channel` on.
INLINE void finish_row(const context *c, const __m512i *acc, size_t row, size_t channel, size_t count, int B) {
  const quern_igemm_args *a = c->args;
  __m512 real[max_blocks];
  UNROLL for (int b = 0; b < B; ++b) {
    real[b] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[b]), _mm512_loadu_ps(a->multiplier + channel + b * 16));
  }
  if (a->residual) {
    add_levels(a, row * a->residual_stride + channel, count, real, B);
  } else if (a->residual_f32) {
    const float *residual = a->residual_f32 + row * a->residual_stride + channel;
    UNROLL for (int b = 0; b < B; ++b) {
      real[b] = _mm512_add_ps(real[b], _mm512_maskz_loadu_ps(channel_mask(count, b), residual + b * 16));
    }
  }
  if (a->store == QUERN_STORE_U8) {
    __m512i q[max_blocks];
    UNROLL for (int b = 0; b < B; ++b) q[b] = quern_round_512(real[b], &c->bounds);
    const size_t at = row * a->output_stride + channel;
    store_u8((uint8_t *)a->output + at, q, &c->bounds, count, B);
    if (a->output_remainder) store_remainders(a->output_remainder + at, real, q, &c->bounds, count, B);
  } else {
    float *y = (float *)a->output + row * a->output_stride + channel;
    UNROLL for (int b = 0; b < B; ++b) {
      if (a->relu) real[b] = _mm512_max_ps(real[b], _mm512_setzero_ps());
      _mm512_mask_storeu_ps(y + b * 16, channel_mask(count, b), real[b]);
    }
  }
}

INLINE void run_tile(const context *c, size_t row, size_t channel, size_t count, int R, int B) {
  const quern_igemm_args *a = c->args;
  const size_t block_bytes = c->block_bytes, taps = a->taps, steps = (a->tap_bytes + 3) / 4 * 4;
  const int8_t *w = a->weights + channel / 16 * block_bytes;
  __m512i acc[max_rows][max_blocks];
  UNROLL for (int b = 0; b < B; ++b) {
    const __m512i bias = _mm512_loadu_si512(a->bias + channel + b * 16);
    UNROLL for (int r = 0; r < R; ++r) acc[r][b] = bias;
  }
  for (size_t t = 0; t < taps; ++t) {
    const uint8_t *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) {
      x[r] = a->offsets ? a->input + a->offsets[(row + r) * taps + t] : a->input + (row + r) * a->input_stride;
    }
    for (size_t k = 0; k < steps; k += 4, w += 64) {
      __m512i weights[max_blocks];
      UNROLL for (int b = 0; b < B; ++b) weights[b] = _mm512_loadu_si512(w + b * block_bytes);
      UNROLL for (int r = 0; r < R; ++r) {
        int32_t bytes;
        memcpy(&bytes, x[r] + k, 4);
        const __m512i input = _mm512_set1_epi32(bytes);
        UNROLL for (int b = 0; b < B; ++b) acc[r][b] = _mm512_dpbusd_epi32(acc[r][b], input, weights[b]);
      }
    }
  }
  UNROLL for (int r = 0; r < R; ++r) finish_row(c, acc[r], row + r, channel, count, B);
}

typedef void (*tile_function)(const context *, size_t row, size_t channel, size_t count);

#define TILE(R, B) \
  static void tile_##R##x##B(const context *c, size_t row, size_t channel, size_t count) { \
    run_tile(c, row, channel, count, R, B); \
  }
#define TILES_TO_6(B) TILE(1, B) TILE(2, B) TILE(3, B) TILE(4, B) TILE(5, B) TILE(6, B)
#define TILES_TO_8(B) TILES_TO_6(B) TILE(7, B) TILE(8, B)
#define TILES_TO_12(B) TILES_TO_8(B) TILE(9, B) TILE(10, B) TILE(11, B) TILE(12, B)
TILES_TO_12(1)
TILES_TO_12(2)
TILES_TO_8(3)
TILES_TO_6(4)

#define TO_6(B) tile_1x##B, tile_2x##B, tile_3x##B, tile_4x##B, tile_5x##B, tile_6x##B
#define TO_8(B) TO_6(B), tile_7x##B, tile_8x##B
#define TO_12(B) TO_8(B), tile_9x##B, tile_10x##B, tile_11x##B, tile_12x##B
static const tile_function tiles[max_blocks][max_rows] = {{TO_12(1)}, {TO_12(2)}, {TO_8(3)}, {TO_6(4)}};
static const size_t tile_rows[max_blocks] = {12, 12, 8, 6};

// Rows whose input (a tap's bytes each, since neighbouring rows share the rest) stays in the second-level cache while the
// panels of weights pass over it.
static size_t rows_per_pass(const quern_igemm_args *a) {
  enum { bytes = 256 * 1024, least = 48 };
  const size_t rows = a->tap_bytes ? bytes / a->tap_bytes : a->rows;
  return rows > least ? rows : least;
}

void quern_igemm_avx512vnni(const quern_igemm_args *a) {
  const context c = {a, quern_bounds_512_make(a->output_zero_point, a->output_min, a->output_max),
                     a->taps * ((a->tap_bytes + 3) / 4) * 64};
  const size_t blocks = (a->output_channels + 15) / 16, panels = (blocks + max_blocks - 1) / max_blocks;
  const size_t pass = rows_per_pass(a);
  for (size_t first = 0; first < a->rows; first += pass) {
    const size_t rows = a->rows - first < pass ? a->rows - first : pass;
    // Blocks are spread evenly over panels and rows over tiles, so that no remainder gets a tile too small to be fast.
    for (size_t p = 0; p < panels; ++p) {
      const size_t block = blocks * p / panels, width = blocks * (p + 1) / panels - block, channel = block * 16;
      const size_t left = a->output_channels - channel, count = left < width * 16 ? left : width * 16;
      const size_t count_of_tiles = (rows + tile_rows[width - 1] - 1) / tile_rows[width - 1];
      for (size_t i = 0; i < count_of_tiles; ++i) {
        const size_t row = rows * i / count_of_tiles, end = rows * (i + 1) / count_of_tiles;
        tiles[width - 1][end - row - 1](&c, first + row, channel, count);
      }
    }
  }
}

#pragma clang attribute pop
#endif
