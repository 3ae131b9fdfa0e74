#include "quern_igemm.h"
#include "../clamp/clamp.h"

#if defined(__x86_64__)

#include <string.h>

#include "../requantise/x86_avx512.h"
#include "plane.h"
#include "x86_avx512vnni_pipelined.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)

// A tile is R rows x B blocks of 16 channels in R * B registers. For each 4 bytes of a tap, one broadcast per row and
// one load per block feed R * B vpdpbusd.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

#include "x86_avx512vnni_planes.h"

enum { max_rows = 12, max_blocks = 4, max_sums = 24 };

typedef struct {
  const quern_igemm_args *args;
  quern_bounds_512 bounds;
  size_t block_bytes;
  float *parts; // products of the remainders of a tile: 16 floats for each of its registers
} context;

// The mask of the lanes of block `b` in a tile with `count` channels.
INLINE __mmask16 channel_mask(size_t count, int b) {
  const size_t first = (size_t)b * 16;
  return count >= first + 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << (count - first)) - 1);
}

INLINE __mmask64 byte_mask(size_t count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }

// Stores `count` of 64 bytes.
INLINE void store_bytes(void *to, __m512i bytes, size_t count) {
  if (count == 64) {
    _mm512_storeu_si512(to, bytes);
  } else if (count == 32) {
    _mm256_storeu_si256((__m256i *)to, _mm512_castsi512_si256(bytes));
  } else {
    _mm512_mask_storeu_epi8(to, byte_mask(count), bytes);
  }
}

INLINE __m512i load_transposed(const void *from, size_t count) {
  return transpose_dwords(count == 64 ? _mm512_loadu_si512(from) : _mm512_maskz_loadu_epi8(byte_mask(count), from));
}

// Adds the uint8 residual of one row, beginning with element `at`, to `real`.
INLINE void add_levels(const context *c, const residual_constants *k, size_t at, size_t count, __m512 *real, int B) {
  const quern_igemm_args *a = c->args;
  const __m512i levels = load_transposed(a->residual + at, count);
  __m512i low, high;
  if (a->residual_remainder) {
    const __m512i remainders = load_transposed(a->residual_remainder + at, count);
    low = _mm512_unpacklo_epi8(remainders, levels);
    high = _mm512_unpackhi_epi8(remainders, levels);
  } else {
    low = _mm512_unpacklo_epi8(levels, _mm512_setzero_si512());
    high = _mm512_unpackhi_epi8(levels, _mm512_setzero_si512());
  }
  add_numbers(k, low, high, real, B);
}

// Stores `real`, which is within the output's bounds, as levels and remainders.
INLINE void store_levels(const context *c, const __m512 *real, size_t at, size_t count, int B) {
  const quern_igemm_args *a = c->args;
  __m512i q[max_blocks];
  UNROLL for (int b = 0; b < max_blocks; ++b) q[b] = b < B ? _mm512_cvtps_epi32(real[b]) : _mm512_setzero_si512();
  store_bytes((uint8_t *)a->output + at, quern_pack_512(q[0], q[1], q[2], q[3], &c->bounds), count);
  if (!a->output_remainder) return;
  // Adding 1.5 x 2^15 rounds to a multiple of 1/256, with its numerator in the low bits of the mantissa. Packing
  // saturates 128 to 127.
  const __m512 offset = _mm512_set1_ps(49152.0f);
  UNROLL for (int b = 0; b < B; ++b) {
    const __m512 remainder = _mm512_sub_ps(real[b], _mm512_cvtepi32_ps(q[b])); // vreduceps is slow on Zen 5
    q[b] = _mm512_castps_si512(_mm512_add_ps(remainder, offset));
  }
  const __m512i ab = _mm512_permutex2var_epi16(q[0], low_words(), q[1]);
  const __m512i cd = _mm512_permutex2var_epi16(q[2], low_words(), q[3]);
  const __m512i signed_remainders = transpose_dwords(_mm512_packs_epi16(ab, cd));
  store_bytes(a->output_remainder + at, _mm512_xor_si512(signed_remainders, _mm512_set1_epi8(-128)), count);
}

// The epilogue for one row of a tile, whose accumulators are of `count` channels, beginning with `channel`. `part` are
// the row's products of remainders, where there are any.
INLINE void finish_row(const context *c, const residual_constants *k, const __m512i *acc, const float *part, size_t row,
                       size_t channel, size_t count, int B) {
  const quern_igemm_args *a = c->args;
  __m512 real[max_blocks];
  UNROLL for (int b = 0; b < B; ++b) {
    real[b] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[b]), _mm512_loadu_ps(a->multiplier + channel + b * 16));
  }
  if (a->remainders.input) {
    UNROLL for (int b = 0; b < B; ++b) real[b] = _mm512_add_ps(real[b], _mm512_loadu_ps(part + b * 16));
  }
  if (a->residual) {
    add_levels(c, k, row * a->residual_stride + channel, count, real, B);
  } else if (a->residual_f32) {
    const float *residual = a->residual_f32 + row * a->residual_stride + channel;
    UNROLL for (int b = 0; b < B; ++b) {
      real[b] = _mm512_add_ps(real[b], _mm512_maskz_loadu_ps(channel_mask(count, b), residual + b * 16));
    }
  }
  const size_t at = row * a->output_stride + channel;
  if (a->store == QUERN_STORE_U8) {
    UNROLL for (int b = 0; b < B; ++b) real[b] = quern_clamp_512(real[b], &c->bounds);
    store_levels(c, real, at, count, B);
  } else {
    float *y = (float *)a->output + at;
    UNROLL for (int b = 0; b < B; ++b) {
      real[b] = quern_clamped_512(real[b], &a->clamp);
      _mm512_mask_storeu_ps(y + b * 16, channel_mask(count, b), real[b]);
    }
  }
}

// Prefetches the memory that the epilogue of a row will read and write. With a residual, that is much compared with the
// products.
INLINE void prefetch_row(const quern_igemm_args *a, size_t row, size_t channel) {
  const size_t residual = row * a->residual_stride + channel, output = row * a->output_stride + channel;
  _mm_prefetch((const char *)a->residual + residual, _MM_HINT_T0);
  if (a->residual_remainder) _mm_prefetch((const char *)a->residual_remainder + residual, _MM_HINT_T0);
  __builtin_prefetch((uint8_t *)a->output + output, 1);
  if (a->output_remainder) __builtin_prefetch(a->output_remainder + output, 1);
}

// Computes the sums of a tile. `ahead` is the memory to prefetch, `pace` bytes of it in each step.
INLINE void multiply(const context *c, quern_igemm_plane p, __m512i acc[max_rows][max_blocks], size_t row, size_t channel,
                     const int8_t *ahead, size_t pace, int R, int B) {
  const quern_igemm_args *a = c->args;
  const size_t block_bytes = c->block_bytes, taps = a->taps, steps = (a->tap_bytes + 3) / 4 * 4;
  const int8_t *w = a->weights + channel / 16 * block_bytes;
  UNROLL for (int b = 0; b < B; ++b) {
    const __m512i bias = _mm512_loadu_si512(p.bias + channel + b * 16);
    UNROLL for (int r = 0; r < R; ++r) acc[r][b] = bias;
  }
  for (size_t t = 0; t < taps; ++t) {
    const uint8_t *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) {
      x[r] = quern_igemm_tap(a, p, row + (size_t)r, t);
    }
    for (size_t k = 0; k < steps; k += 4, w += 64, ahead += pace) {
      __m512i weights[max_blocks];
      UNROLL for (int b = 0; b < B; ++b) weights[b] = _mm512_loadu_si512(w + b * block_bytes);
      _mm_prefetch((const char *)ahead, _MM_HINT_T0);
      UNROLL for (int r = 0; r < R; ++r) {
        int32_t bytes;
        memcpy(&bytes, x[r] + k, 4);
        const __m512i input = _mm512_set1_epi32(bytes);
        UNROLL for (int b = 0; b < B; ++b) acc[r][b] = _mm512_dpbusd_epi32(acc[r][b], input, weights[b]);
      }
    }
  }
}

INLINE void run_tile(const context *c, size_t row, size_t channel, size_t count, const int8_t *ahead, size_t pace, int R,
                     int B) {
  const quern_igemm_args *a = c->args;
  __m512i acc[max_rows][max_blocks];
  if (a->residual) {
    UNROLL for (int r = 0; r < R; ++r) prefetch_row(a, row + (size_t)r, channel);
  }
  if (a->remainders.input) {
    multiply(c, quern_igemm_remainder_plane(a), acc, row, channel, ahead, 0, R, B);
    UNROLL for (int b = 0; b < B; ++b) {
      const __m512 multiplier = _mm512_loadu_ps(a->remainders.multiplier + channel + b * 16);
      UNROLL for (int r = 0; r < R; ++r) {
        _mm512_storeu_ps(c->parts + (r * B + b) * 16, _mm512_mul_ps(_mm512_cvtepi32_ps(acc[r][b]), multiplier));
      }
    }
  }
  multiply(c, quern_igemm_levels(a), acc, row, channel, ahead, pace, R, B);
  const residual_constants k =
      a->residual_remainder ? residual_constants_with_remainders(a) : residual_constants_of_levels(a);
  UNROLL for (int r = 0; r < R; ++r) finish_row(c, &k, acc[r], c->parts + r * B * 16, row + r, channel, count, B);
}

typedef void (*tile_function)(const context *, size_t row, size_t channel, size_t count, const int8_t *ahead, size_t pace);

#define TILE(R, B) \
  static void tile_##R##x##B(const context *c, size_t row, size_t channel, size_t count, const int8_t *ahead, \
                             size_t pace) { \
    run_tile(c, row, channel, count, ahead, pace, R, B); \
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

// The number of rows whose input, output and residual stay in the second-level cache while they are multiplied with all
// panels of weights. The input counts as one tap per row, since neighbouring rows share the others.
static size_t rows_per_pass(const quern_igemm_args *a) {
  enum { bytes = 256 * 1024, min_rows = 48 };
  const size_t output = a->store == QUERN_STORE_U8 ? 1 + (a->output_remainder != 0) : sizeof(float);
  const size_t residual = a->residual ? 1 + (a->residual_remainder != 0) : a->residual_f32 ? sizeof(float) : 0;
  const size_t rows = bytes / (a->tap_bytes + a->output_channels * (output + residual) + 1);
  return rows > min_rows ? rows : min_rows;
}

void quern_igemm_avx512vnni(const quern_igemm_args *a) {
  float parts[max_sums * 16];
  const context c = {a, quern_bounds_512_make(a->output_zero_point, a->output_min, a->output_max),
                     a->taps * ((a->tap_bytes + 3) / 4) * 64, parts};
  const size_t blocks = (a->output_channels + 15) / 16, panels = (blocks + max_blocks - 1) / max_blocks;
  const size_t pass = rows_per_pass(a);
  if (quern_igemm_is_pipelined(a)) return quern_igemm_avx512vnni_pipelined(a, pass);
  for (size_t first = 0; first < a->rows; first += pass) {
    const size_t rows = a->rows - first < pass ? a->rows - first : pass;
    // Blocks are spread evenly over panels and rows over tiles, so that no tile is too small to be fast.
    for (size_t p = 0; p < panels; ++p) {
      const size_t block = blocks * p / panels, next = blocks * (p + 1) / panels, width = next - block, channel = block * 16;
      const size_t left = a->output_channels - channel, count = left < width * 16 ? left : width * 16;
      const size_t count_of_tiles = (rows + tile_rows[width - 1] - 1) / tile_rows[width - 1];
      // Each tile prefetches its part of the next panel.
      const size_t pace = next < blocks ? (64 * width + count_of_tiles - 1) / count_of_tiles : 0;
      const int8_t *ahead = a->weights + (next < blocks ? next * c.block_bytes : 0);
      for (size_t i = 0; i < count_of_tiles; ++i, ahead += pace * (c.block_bytes / 64)) {
        const size_t row = rows * i / count_of_tiles, end = rows * (i + 1) / count_of_tiles;
        tiles[width - 1][end - row - 1](&c, first + row, channel, count, ahead, pace);
      }
    }
  }
}

#pragma clang attribute pop
#endif
