#include "quern_fgemm.h"
#include "../clamp/clamp.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <stdbool.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

// A tile is R rows x B blocks of 16 channels, with sums in R * B registers; totals are kept in memory. For each element
// of a tap, one broadcast per row and one load per block feed R * B multiply-adds.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 12, max_blocks = 4 };

INLINE const float *tap_input(const quern_fgemm_args *a, size_t row, size_t tap) {
  if (!a->offsets) return a->input + row * a->input_stride;
  const int32_t offset = a->offsets[row * a->taps + tap];
  return offset < 0 ? a->zeros : a->input + offset;
}

// The lanes of block `b` in a tile with `count` channels.
INLINE __mmask16 channel_mask(size_t count, int b) {
  const size_t first = (size_t)b * 16;
  return count >= first + 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << (count - first)) - 1);
}

// The epilogue for one row of a tile, whose totals are of `count` channels, beginning with `channel`.
INLINE void finish_row(const quern_fgemm_args *a, const __m512 *total, size_t row, size_t channel, size_t count, int B,
                       int stream) {
  const float *residual = a->residual ? a->residual + row * a->residual_stride + channel : 0;
  float *y = a->output + row * a->output_stride + channel;
  UNROLL for (int b = 0; b < B; ++b) {
    const __mmask16 mask = channel_mask(count, b);
    __m512 y_b = total[b];
    if (residual) y_b = _mm512_add_ps(y_b, _mm512_maskz_loadu_ps(mask, residual + b * 16));
    y_b = quern_clamped_512(y_b, &a->clamp);
    if (stream) {
      _mm512_stream_ps(y + b * 16, y_b);
    } else {
      _mm512_mask_storeu_ps(y + b * 16, mask, y_b);
    }
  }
}

// Ends a block: adds its sums to the totals, which start with the bias, and starts new sums.
INLINE void end_block(__m512 total[max_rows][max_blocks], __m512 sum[max_rows][max_blocks], const float *bias, int R,
                      int B) {
  UNROLL for (int b = 0; b < B; ++b) {
    UNROLL for (int r = 0; r < R; ++r) {
      total[r][b] = _mm512_add_ps(bias ? _mm512_loadu_ps(bias + b * 16) : total[r][b], sum[r][b]);
      sum[r][b] = _mm512_setzero_ps();
    }
  }
}

// Prefetches the memory that the epilogue of a row will read and write. With a residual, that is much compared with the
// products.
INLINE void prefetch_row(const quern_fgemm_args *a, size_t row, size_t channel, int B, int stream) {
  const float *residual = a->residual + row * a->residual_stride + channel, *y = a->output + row * a->output_stride + channel;
  UNROLL for (int b = 0; b < B; ++b) {
    _mm_prefetch((const char *)(residual + b * 16), _MM_HINT_T0);
    if (!stream) __builtin_prefetch(y + b * 16, 1);
  }
}

// `ahead` is the memory to prefetch, as many floats as a block has, or null.
INLINE void run_tile(const quern_fgemm_args *a, size_t row, size_t channel, size_t count, const float *ahead, int R,
                     int B, int stream) {
  const size_t taps = a->taps, elements = a->tap_elements, block_size = taps * elements * 16;
  const float *w = a->weights + channel / 16 * block_size, *bias = a->bias + channel;
  __m512 total[max_rows][max_blocks], sum[max_rows][max_blocks];
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < B; ++b) sum[r][b] = _mm512_setzero_ps();
  }
  if (a->residual) {
    UNROLL for (int r = 0; r < R; ++r) prefetch_row(a, row + (size_t)r, channel, B, stream);
  }
  const ptrdiff_t distance = ahead ? ahead - w : 0;
  size_t left = QUERN_FGEMM_BLOCK; // products that the block has room for
  for (size_t t = 0; t < taps; ++t) {
    const float *x[max_rows];
    UNROLL for (int r = 0; r < R; ++r) x[r] = tap_input(a, row + (size_t)r, t);
    for (size_t k = 0; k < elements;) {
      const size_t end = elements - k < left ? elements : k + left;
      left -= end - k;
      for (; k < end; ++k, w += 16) {
        __m512 weights[max_blocks];
        UNROLL for (int b = 0; b < B; ++b) weights[b] = _mm512_loadu_ps(w + b * block_size);
        _mm_prefetch((const char *)(w + distance), _MM_HINT_T1);
        UNROLL for (int r = 0; r < R; ++r) {
          const __m512 input = _mm512_set1_ps(x[r][k]);
          UNROLL for (int b = 0; b < B; ++b) sum[r][b] = _mm512_fmadd_ps(input, weights[b], sum[r][b]);
        }
      }
      if (left == 0) {
        end_block(total, sum, bias, R, B);
        bias = 0;
        left = QUERN_FGEMM_BLOCK;
      }
    }
  }
  if (left != QUERN_FGEMM_BLOCK) end_block(total, sum, bias, R, B);
  UNROLL for (int r = 0; r < R; ++r) finish_row(a, total[r], row + (size_t)r, channel, count, B, stream);
}

typedef void (*tile_function)(const quern_fgemm_args *, size_t row, size_t channel, size_t count,
                              const float *ahead);

// Without this, the speed of the loops depends on the code before them.
#define ALIGNED __attribute__((aligned(64)))

#define TILE(R, B) \
  ALIGNED static void tile_##R##x##B(const quern_fgemm_args *a, size_t row, size_t channel, size_t count, const float *ahead) { \
    run_tile(a, row, channel, count, ahead, R, B, 0); \
  }
#define TILES_TO_6(B) TILE(1, B) TILE(2, B) TILE(3, B) TILE(4, B) TILE(5, B) TILE(6, B)
#define TILES_TO_8(B) TILES_TO_6(B) TILE(7, B) TILE(8, B)
#define TILES_TO_12(B) TILES_TO_8(B) TILE(9, B) TILE(10, B) TILE(11, B) TILE(12, B)
TILES_TO_12(1)
TILES_TO_12(2)
TILES_TO_8(3)
TILES_TO_6(4)

#define STREAM(R) \
  ALIGNED static void stream_##R(const quern_fgemm_args *a, size_t row, size_t channel, size_t count, const float *ahead) { \
    run_tile(a, row, channel, count, ahead, R, max_blocks, 1); \
  }
STREAM(1) STREAM(2) STREAM(3) STREAM(4) STREAM(5) STREAM(6)

#define TO_6(B) tile_1x##B, tile_2x##B, tile_3x##B, tile_4x##B, tile_5x##B, tile_6x##B
#define TO_8(B) TO_6(B), tile_7x##B, tile_8x##B
#define TO_12(B) TO_8(B), tile_9x##B, tile_10x##B, tile_11x##B, tile_12x##B
static const tile_function tiles[max_blocks][max_rows] = {{TO_12(1)}, {TO_12(2)}, {TO_8(3)}, {TO_6(4)}};
// For outputs of whole cache lines, which are written past the caches.
static const tile_function streaming[] = {stream_1, stream_2, stream_3, stream_4, stream_5, stream_6};
static const size_t tile_rows[max_blocks] = {12, 12, 8, 6};

// Rows are split evenly into passes. The input of a pass stays in the second-level cache while it is multiplied with
// all panels of weights. It counts as one tap per row, since neighbouring rows share the others.
static size_t count_of_passes(const quern_fgemm_args *a) {
  enum { floats = 64 * 1024, min_rows = 48 };
  const size_t fitting = a->tap_elements ? floats / a->tap_elements : a->rows;
  const size_t passes = a->rows / (fitting > min_rows ? fitting : min_rows);
  return passes > 1 ? passes : 1;
}

// The address of a block of weights. Blocks past the last one are those of the next call, if there is one; otherwise
// null.
static const float *block_ahead(const quern_fgemm_args *a, size_t block, size_t blocks, bool is_last_pass) {
  const size_t block_size = a->taps * a->tap_elements * 16;
  if (block < blocks) return a->weights + block * block_size;
  return is_last_pass && a->next_weights && block < 2 * blocks ? a->next_weights + (block - blocks) * block_size : 0;
}

void quern_fgemm_avx512(const quern_fgemm_args *a) {
  enum { deepest = 2048 };
  const size_t depth = a->taps * a->tap_elements;
  // Panels that would not stay in the second-level cache from one tile of rows to the next are split in two.
  const size_t widest = depth > deepest ? 2 : 4;
  const size_t blocks = (a->output_channels + 15) / 16, panels = (blocks + widest - 1) / widest;
  const size_t passes = count_of_passes(a);
  const int streams =
      a->stream && (uintptr_t)a->output % 64 == 0 && a->output_stride % 16 == 0 && a->output_channels % 64 == 0 && widest == 4;
  for (size_t pass = 0; pass < passes; ++pass) {
    const size_t first = a->rows * pass / passes, rows = a->rows * (pass + 1) / passes - first;
    // Blocks are spread evenly over panels and rows over tiles, so that no tile is too small to be fast.
    for (size_t p = 0; p < panels; ++p) {
      const size_t block = blocks * p / panels, next = blocks * (p + 1) / panels, width = next - block;
      const size_t channel = block * 16, left = a->output_channels - channel, count = left < width * 16 ? left : width * 16;
      const size_t count_of_tiles = (rows + tile_rows[width - 1] - 1) / tile_rows[width - 1];
      for (size_t i = 0; i < count_of_tiles; ++i) {
        const size_t row = rows * i / count_of_tiles, end = rows * (i + 1) / count_of_tiles;
        // Each of the first tiles of a panel fetches a block of the next panel.
        const float *ahead = i < widest ? block_ahead(a, next + i, blocks, pass + 1 == passes) : 0;
        (streams ? streaming : tiles[width - 1])[end - row - 1](a, first + row, channel, count, ahead);
      }
    }
  }
  if (streams) _mm_sfence(); // Other threads must see the output.
}

#pragma clang attribute pop
#endif
