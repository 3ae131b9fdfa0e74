#include "x86_avx512vnni_pipelined.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)

// A tile is R rows x 4 blocks of 16 channels. With more rows, there are not enough registers for the epilogue of the
// pending tile.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

#include "x86_avx512vnni_planes.h"

enum { max_rows = 4, blocks = 4, channels_of_tile = 64 };

// The constants of the epilogue, which are the same for all tiles of a call.
typedef struct {
  residual_constants residual;
  __m512 low, high;   // bounds of the real value
  __m512i zero_point; // int16
  __m512i transposed; // transposed_order
  __m512i low_words;
} constants;

// Accumulators whose epilogue is still to be computed.
typedef struct {
  __m512i acc[max_rows][blocks];
  size_t row, rows, channel;
} pending_tile;

int quern_igemm_is_pipelined(const quern_igemm_args *a) {
  enum { shallow = 512 }; // Beyond this, tiles of more rows, which read weights less often, are faster.
  // With a zero point of 8 bits, real values are within 255 of 0, which `store_levels` relies on.
  return a->taps == 1 && a->tap_bytes >= 64 && a->output_channels % channels_of_tile == 0 && a->store == QUERN_STORE_U8 &&
         a->output_zero_point >= 0 && a->output_zero_point <= 255 && a->output_min <= a->output_zero_point &&
         a->output_max >= a->output_zero_point && !a->remainders.input && !a->residual_f32 && !a->residual == !a->residual_remainder &&
         (a->residual || a->output_remainder || a->tap_bytes <= shallow);
}

INLINE constants constants_make(const quern_igemm_args *a) {
  return (constants){residual_constants_with_remainders(a),
                     _mm512_set1_ps((float)(a->output_min - a->output_zero_point)),
                     _mm512_set1_ps((float)(a->output_max - a->output_zero_point)),
                     _mm512_set1_epi16((int16_t)a->output_zero_point),
                     transposed_order(),
                     low_words()};
}

INLINE void scale(const quern_igemm_args *a, const __m512i *acc, size_t channel, __m512 *real) {
  UNROLL for (int b = 0; b < blocks; ++b) {
    real[b] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[b]), _mm512_loadu_ps(a->multiplier + channel + b * 16));
  }
}

// Adds the residual, beginning with element `at`, to `real`.
INLINE void add_residual(const quern_igemm_args *a, const constants *c, size_t at, __m512 *real) {
  const __m512i levels = _mm512_permutexvar_epi32(c->transposed, _mm512_loadu_si512(a->residual + at));
  const __m512i remainders = _mm512_permutexvar_epi32(c->transposed, _mm512_loadu_si512(a->residual_remainder + at));
  const __m512i low = _mm512_unpacklo_epi8(remainders, levels), high = _mm512_unpackhi_epi8(remainders, levels);
  add_numbers(&c->residual, low, high, real, blocks);
}

// The lower words of four vectors of dwords, for packing to bytes.
INLINE void take_words(const constants *c, const __m512 *from, __m512i *ab, __m512i *cd) {
  *ab = _mm512_permutex2var_epi16(_mm512_castps_si512(from[0]), c->low_words, _mm512_castps_si512(from[1]));
  *cd = _mm512_permutex2var_epi16(_mm512_castps_si512(from[2]), c->low_words, _mm512_castps_si512(from[3]));
}

// Adding 1.5 x 2^23 rounds to an integer, and 1.5 x 2^15 to a multiple of 1/256, with the numerators in the low bits of
// the mantissa. The remainder is the number of 1/256 minus 256 times the level.
INLINE void store_levels(const quern_igemm_args *a, const constants *c, size_t at, __m512 *real, int with_remainder) {
  __m512 level[blocks], part[blocks];
  UNROLL for (int b = 0; b < blocks; ++b) {
    // vmaxps gives its second operand for a NaN. The upper bound is not negative, and so floats compare as integers.
    const __m512 bounded = _mm512_max_ps(real[b], c->low);
    real[b] = _mm512_castsi512_ps(_mm512_min_epi32(_mm512_castps_si512(bounded), _mm512_castps_si512(c->high)));
    level[b] = _mm512_add_ps(real[b], _mm512_set1_ps(12582912.0f));
    if (with_remainder) part[b] = _mm512_add_ps(real[b], _mm512_set1_ps(49152.0f));
  }
  __m512i ab, cd;
  take_words(c, level, &ab, &cd);
  const __m512i levels = _mm512_packus_epi16(_mm512_add_epi16(ab, c->zero_point), _mm512_add_epi16(cd, c->zero_point));
  _mm512_storeu_si512((uint8_t *)a->output + at, _mm512_permutexvar_epi32(c->transposed, levels));
  if (!with_remainder) return;
  __m512i parts_ab, parts_cd;
  take_words(c, part, &parts_ab, &parts_cd);
  // Packing saturates 128 to 127.
  const __m512i remainders = _mm512_packs_epi16(_mm512_sub_epi16(parts_ab, _mm512_slli_epi16(ab, 8)),
                                                _mm512_sub_epi16(parts_cd, _mm512_slli_epi16(cd, 8)));
  _mm512_storeu_si512(a->output_remainder + at,
                      _mm512_xor_si512(_mm512_permutexvar_epi32(c->transposed, remainders), _mm512_set1_epi8(-128)));
}

// Multiplies `count` bytes of a tap, in groups of 4, for all rows and blocks.
#define MULTIPLY(count) \
  _Pragma("clang loop unroll(disable)") for (const size_t end = k + (count); k < end; k += 4, w += 64) { \
    __m512i weights[blocks]; \
    UNROLL for (int b = 0; b < blocks; ++b) weights[b] = _mm512_loadu_si512(w + b * block_bytes); \
    _mm_prefetch((const char *)ahead, _MM_HINT_T0); \
    ahead += pace; \
    UNROLL for (int r = 0; r < R; ++r) { \
      int32_t bytes; \
      memcpy(&bytes, x[r] + k, 4); \
      const __m512i input = _mm512_set1_epi32(bytes); \
      UNROLL for (int b = 0; b < blocks; ++b) acc[r][b] = _mm512_dpbusd_epi32(acc[r][b], input, weights[b]); \
    } \
  }

// Multiplies a tile, interleaved with the epilogue of the pending one: one row after each quarter of the products.
// `ahead` is the memory to prefetch, `pace` bytes of it in each step.
INLINE void run_tile(const quern_igemm_args *a, const constants *c, size_t row, size_t channel, const int8_t *ahead,
                     size_t pace, pending_tile *pending, int R, int has_residual, int with_remainder) {
  const size_t steps = (a->tap_bytes + 3) / 4 * 4, block_bytes = steps * 16, share = steps / 64 * 4;
  const int8_t *w = a->weights + channel / 16 * block_bytes;
  __m512i acc[max_rows][blocks];
  UNROLL for (int b = 0; b < blocks; ++b) {
    const __m512i bias = _mm512_loadu_si512(a->bias + channel + b * 16);
    UNROLL for (int r = 0; r < R; ++r) acc[r][b] = bias;
  }
  const uint8_t *x[max_rows];
  UNROLL for (int r = 0; r < R; ++r) {
    x[r] = a->offsets ? a->input + a->offsets[row + r] : a->input + (row + r) * a->input_stride;
    if (!has_residual) continue;
    const size_t at = (row + r) * a->residual_stride + channel;
    _mm_prefetch((const char *)a->residual + at, _MM_HINT_T0);
    _mm_prefetch((const char *)a->residual_remainder + at, _MM_HINT_T0);
  }
  size_t k = 0;
  for (size_t r = 0; r < pending->rows; ++r) { // at most 4 rows of 4 shares each
    __m512 real[blocks];
    const size_t pending_row = pending->row + r;
    scale(a, pending->acc[r], pending->channel, real);
    MULTIPLY(share)
    if (has_residual) add_residual(a, c, pending_row * a->residual_stride + pending->channel, real);
    MULTIPLY(2 * share)
    store_levels(a, c, pending_row * a->output_stride + pending->channel, real, with_remainder);
    MULTIPLY(share)
  }
  MULTIPLY(steps - k)
  UNROLL for (int r = 0; r < R; ++r) {
    UNROLL for (int b = 0; b < blocks; ++b) pending->acc[r][b] = acc[r][b];
  }
  (pending->row = row, pending->rows = (size_t)R, pending->channel = channel);
}

typedef void (*tile_function)(const quern_igemm_args *, const constants *, size_t row, size_t channel, const int8_t *ahead,
                              size_t pace, pending_tile *);

#define TILE(R, RESIDUAL, REMAINDER) \
  static void tile_##R##_##RESIDUAL##_##REMAINDER(const quern_igemm_args *a, const constants *c, size_t row, \
                                                  size_t channel, const int8_t *ahead, size_t pace, pending_tile *pending) { \
    run_tile(a, c, row, channel, ahead, pace, pending, R, RESIDUAL, REMAINDER); \
  }
#define TILES(X, Y) TILE(1, X, Y) TILE(2, X, Y) TILE(3, X, Y) TILE(4, X, Y)
TILES(0, 0)
TILES(0, 1)
TILES(1, 0)
TILES(1, 1)

// Indexed by whether there is a residual, whether remainders are stored, and the number of rows.
#define OF(X, Y) {tile_1_##X##_##Y, tile_2_##X##_##Y, tile_3_##X##_##Y, tile_4_##X##_##Y}
static const tile_function tiles[2][2][max_rows] = {{OF(0, 0), OF(0, 1)}, {OF(1, 0), OF(1, 1)}};

static void finish(const quern_igemm_args *a, const constants *c, const pending_tile *pending) {
  for (size_t r = 0; r < pending->rows; ++r) {
    __m512 real[blocks];
    const size_t row = pending->row + r;
    scale(a, pending->acc[r], pending->channel, real);
    if (a->residual) add_residual(a, c, row * a->residual_stride + pending->channel, real);
    store_levels(a, c, row * a->output_stride + pending->channel, real, a->output_remainder != 0);
  }
}

void quern_igemm_avx512vnni_pipelined(const quern_igemm_args *a, size_t pass) {
  const constants c = constants_make(a);
  const tile_function *of_rows = tiles[a->residual != 0][a->output_remainder != 0];
  const size_t all_blocks = a->output_channels / 16, block_bytes = (a->tap_bytes + 3) / 4 * 64;
  pending_tile pending = {.rows = 0};
  for (size_t first = 0; first < a->rows; first += pass) {
    const size_t rows = a->rows - first < pass ? a->rows - first : pass;
    const size_t count_of_tiles = (rows + max_rows - 1) / max_rows;
    const size_t pace = (64 * blocks + count_of_tiles - 1) / count_of_tiles;
    for (size_t block = 0; block < all_blocks; block += blocks) {
      for (size_t i = 0; i < count_of_tiles; ++i) {
        const size_t row = rows * i / count_of_tiles, end = rows * (i + 1) / count_of_tiles;
        // Each tile prefetches its part of the next panel.
        const size_t next = block + blocks;
        const int8_t *ahead = a->weights + (next < all_blocks ? next * block_bytes + i * pace * (block_bytes / 64) : 0);
        of_rows[end - row - 1](a, &c, first + row, block * 16, ahead, next < all_blocks ? pace : 0, &pending);
      }
    }
  }
  finish(a, &c, &pending);
}

#pragma clang attribute pop
#endif
