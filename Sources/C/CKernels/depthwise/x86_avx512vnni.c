#include "quern_depthwise.h"

#if defined(__x86_64__)

#include "../requantise/x86_avx512.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)

// A vector holds 64 channels of one row, 32 of two rows, or 16 of four rows; a tile holds up to 3 vectors. Four taps of
// 64 bytes are interleaved within 128-bit lanes, so that lane l of result i (of four) holds the bytes 16 l + 4 i to 16
// l + 4 i + 3. Weights, bias and multiplier are permuted to this order once per call, and packing the results undoes
// it.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_vectors = 3, max_groups = 32, max_rows_in_vector = 4 };

typedef struct {
  __m512i v[4];
} quad;

// The constants of the channels of a vector, which are the same for all rows.
typedef struct {
  quad weights[max_groups];
  quad bias, multiplier;
} panel;

void quern_depthwise_scalar(const quern_depthwise_args *);

// Exchanges lane l of v[i] and lane i of v[l].
INLINE quad transpose_lanes(quad q) {
  const __m512i a = _mm512_shuffle_i32x4(q.v[0], q.v[1], 0x44), b = _mm512_shuffle_i32x4(q.v[0], q.v[1], 0xEE);
  const __m512i c = _mm512_shuffle_i32x4(q.v[2], q.v[3], 0x44), d = _mm512_shuffle_i32x4(q.v[2], q.v[3], 0xEE);
  return (quad){{_mm512_shuffle_i32x4(a, c, 0x88), _mm512_shuffle_i32x4(a, c, 0xDD), _mm512_shuffle_i32x4(b, d, 0x88),
                 _mm512_shuffle_i32x4(b, d, 0xDD)}};
}

// Loads 64 bytes of each of `blocks` blocks, and zeros for the others. Where `rows` rows share a vector, the first
// blocks are repeated for each row.
INLINE quad load_lanes(const void *from, size_t block_bytes, size_t blocks, size_t rows) {
  const char *p = from;
  quad q;
  UNROLL for (size_t i = 0; i < 4; ++i) {
    const size_t block = i % (4 / rows);
    q.v[i] = block < blocks ? _mm512_loadu_si512(p + block * block_bytes) : _mm512_setzero_si512();
  }
  return transpose_lanes(q);
}

INLINE void load_panel(panel *p, const quern_depthwise_args *a, size_t channel, size_t blocks, size_t rows) {
  const size_t groups = (a->taps + 3) / 4, block_bytes = groups * 64;
  const int8_t *weights = a->weights + channel / 16 * block_bytes;
  for (size_t g = 0; g < groups; ++g) p->weights[g] = load_lanes(weights + g * 64, block_bytes, blocks, rows);
  p->bias = load_lanes(a->bias + channel, 64, blocks, rows);
  p->multiplier = load_lanes(a->multiplier + channel, 64, blocks, rows);
}

// Loads a tap of the rows that share a vector; `offsets` has one pointer per row.
INLINE __m512i load_tap(const uint8_t *input, const int32_t *const *offsets, size_t tap, int rows) {
  if (rows == 1) return _mm512_loadu_si512(input + offsets[0][tap]);
  if (rows == 2) {
    const __m256i low = _mm256_loadu_si256((const __m256i *)(input + offsets[0][tap]));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), _mm256_loadu_si256((const __m256i *)(input + offsets[1][tap])), 1);
  }
  __m512i x = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(input + offsets[0][tap])));
  x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(input + offsets[1][tap])), 1);
  x = _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(input + offsets[2][tap])), 2);
  return _mm512_inserti32x4(x, _mm_loadu_si128((const __m128i *)(input + offsets[3][tap])), 3);
}

// Adds `count` taps, beginning with `tap`.
INLINE void add_taps(quad *acc, const quad *w, const uint8_t *input, const int32_t *const *offsets, size_t tap, int count,
                     int rows) {
  const __m512i a = load_tap(input, offsets, tap, rows);
  const __m512i b = count > 1 ? load_tap(input, offsets, tap + 1, rows) : _mm512_setzero_si512();
  const __m512i c = count > 2 ? load_tap(input, offsets, tap + 2, rows) : _mm512_setzero_si512();
  const __m512i d = count > 3 ? load_tap(input, offsets, tap + 3, rows) : _mm512_setzero_si512();
  const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
  acc->v[0] = _mm512_dpbusd_epi32(acc->v[0], _mm512_unpacklo_epi16(ab_low, cd_low), w->v[0]);
  acc->v[1] = _mm512_dpbusd_epi32(acc->v[1], _mm512_unpackhi_epi16(ab_low, cd_low), w->v[1]);
  acc->v[2] = _mm512_dpbusd_epi32(acc->v[2], _mm512_unpacklo_epi16(ab_high, cd_high), w->v[2]);
  acc->v[3] = _mm512_dpbusd_epi32(acc->v[3], _mm512_unpackhi_epi16(ab_high, cd_high), w->v[3]);
}

// Stores `count` channels of the rows in a vector. Only the first `left` rows are part of the output.
INLINE void store_rows(uint8_t *y, size_t stride, __m512i bytes, size_t count, size_t left, int rows) {
  if (rows == 1) {
    if (count == 64) {
      _mm512_storeu_si512(y, bytes);
    } else {
      _mm512_mask_storeu_epi8(y, (1ull << count) - 1, bytes);
    }
    return;
  }
  const __m128i lanes[4] = {_mm512_castsi512_si128(bytes), _mm512_extracti32x4_epi32(bytes, 1),
                            _mm512_extracti32x4_epi32(bytes, 2), _mm512_extracti32x4_epi32(bytes, 3)};
  const __mmask32 mask = (__mmask32)((1ull << count) - 1);
  UNROLL for (int r = 0; r < rows; ++r) {
    if ((size_t)r >= left) return;
    if (rows == 2) {
      _mm256_mask_storeu_epi8(y, mask, _mm256_set_m128i(lanes[2 * r + 1], lanes[2 * r]));
    } else {
      _mm_mask_storeu_epi8(y, (__mmask16)mask, lanes[r]);
    }
    y += stride;
  }
}

// As store_rows, with floats. `real` is in the order of the sums: lane l of real[i] holds the channels 16 l + 4 i to
// 16 l + 4 i + 3.
INLINE void store_floats(const quern_depthwise_args *a, const __m512 *real, size_t at, size_t count, size_t left, int rows) {
  const quad lanes = transpose_lanes((quad){{_mm512_castps_si512(real[0]), _mm512_castps_si512(real[1]),
                                             _mm512_castps_si512(real[2]), _mm512_castps_si512(real[3])}});
  const int blocks = 4 / rows; // of 16 channels, per row
  UNROLL for (int i = 0; i < 4; ++i) {
    const size_t row = (size_t)(i / blocks), first = (size_t)(i % blocks) * 16;
    if (row >= left || first >= count) continue;
    const __mmask16 mask = count - first >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << (count - first)) - 1);
    const size_t to = at + row * a->output_stride + first;
    __m512 y = _mm512_castsi512_ps(lanes.v[i]);
    if (a->addend) y = _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, a->addend + to));
    _mm512_mask_storeu_ps(a->output_f32 + to, mask, y);
  }
}

// Adds the addend, in the order of the sums.
INLINE void add_floats(const quern_depthwise_args *a, __m512 *real, size_t at, size_t count, size_t left, int rows) {
  const int blocks = 4 / rows;
  quad lanes;
  UNROLL for (int i = 0; i < 4; ++i) {
    const size_t row = (size_t)(i / blocks), first = (size_t)(i % blocks) * 16;
    const size_t valid = row >= left || first >= count ? 0 : count - first < 16 ? count - first : 16;
    lanes.v[i] = _mm512_castps_si512(
        _mm512_maskz_loadu_ps((__mmask16)((1u << valid) - 1), a->addend + at + row * a->output_stride + first));
  }
  lanes = transpose_lanes(lanes);
  UNROLL for (int i = 0; i < 4; ++i) real[i] = _mm512_add_ps(real[i], _mm512_castsi512_ps(lanes.v[i]));
}

// Computes `vectors` vectors of `rows` rows each, beginning with `row`. Past the last row, it is repeated, and not
// stored.
INLINE void run_tile(const quern_depthwise_args *a, const quern_bounds_512 *bounds, const panel *p, size_t row,
                     size_t channel, size_t count, int vectors, int rows) {
  const size_t taps = a->taps, whole = taps / 4, last = a->rows - 1;
  const uint8_t *input = a->input + channel;
  const int32_t *offsets[max_vectors][max_rows_in_vector];
  quad acc[max_vectors];
  UNROLL for (int v = 0; v < vectors; ++v) {
    acc[v] = p->bias;
    UNROLL for (int r = 0; r < rows; ++r) {
      const size_t at = row + (size_t)(v * rows + r);
      offsets[v][r] = a->offsets + (at < last ? at : last) * taps;
    }
  }
  for (size_t g = 0; g < whole; ++g) {
    UNROLL for (int v = 0; v < vectors; ++v) add_taps(&acc[v], &p->weights[g], input, offsets[v], g * 4, 4, rows);
  }
  UNROLL for (int v = 0; v < vectors; ++v) {
    switch (taps % 4) {
      case 1: add_taps(&acc[v], &p->weights[whole], input, offsets[v], whole * 4, 1, rows); break;
      case 2: add_taps(&acc[v], &p->weights[whole], input, offsets[v], whole * 4, 2, rows); break;
      case 3: add_taps(&acc[v], &p->weights[whole], input, offsets[v], whole * 4, 3, rows); break;
    }
  }
  UNROLL for (int v = 0; v < vectors; ++v) {
    const size_t at = row + (size_t)(v * rows);
    if (at > last) return;
    const size_t to = at * a->output_stride + channel, left = last + 1 - at;
    __m512 real[4];
    UNROLL for (int i = 0; i < 4; ++i) {
      real[i] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[v].v[i]), _mm512_castsi512_ps(p->multiplier.v[i]));
    }
    if (a->output_f32) {
      store_floats(a, real, to, count, left, rows);
      continue;
    }
    if (a->addend) add_floats(a, real, to, count, left, rows);
    __m512i q[4];
    UNROLL for (int i = 0; i < 4; ++i) q[i] = quern_round_512(real[i], bounds);
    store_rows(a->output + to, a->output_stride,
               quern_pack_lanes_512(q[0], q[1], q[2], q[3], bounds), count, left, rows);
  }
}

INLINE void run_panel(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t channel, size_t count, int rows) {
  panel p;
  load_panel(&p, a, channel, (count + 15) / 16, (size_t)rows);
  const int vectors = rows == 4 ? 2 : 3; // measured
  for (size_t row = 0; row < a->rows; row += (size_t)(vectors * rows)) {
    run_tile(a, bounds, &p, row, channel, count, vectors, rows);
  }
}

static void run_64(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t channel) {
  run_panel(a, bounds, channel, 64, 1);
}

static void run_48(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t channel, size_t count) {
  run_panel(a, bounds, channel, count, 1);
}

static void run_32(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t channel, size_t count) {
  run_panel(a, bounds, channel, count, 2);
}

static void run_16(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t channel, size_t count) {
  run_panel(a, bounds, channel, count, 4);
}

// Every fourth of 64 dwords, beginning with the first, second, third and fourth. Where two rows share a vector, every
// fourth of 32 dwords, twice.
INLINE quad every_fourth(const void *from, int rows) {
  const char *p = from;
  const __m512i steps = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28);
  quad q;
  UNROLL for (int i = 0; i < 4; ++i) {
    const __m512i order = _mm512_add_epi32(steps, _mm512_set1_epi32(i));
    q.v[i] = _mm512_permutex2var_epi32(_mm512_loadu_si512(p), order, _mm512_loadu_si512(p + 64));
    if (rows == 2) continue;
    const __m512i high = _mm512_permutex2var_epi32(_mm512_loadu_si512(p + 128), order, _mm512_loadu_si512(p + 192));
    q.v[i] = _mm512_inserti64x4(q.v[i], _mm512_castsi512_si256(high), 1);
  }
  return q;
}

// Computes 64 channels of one row, or 32 of two, at a time, with a single tap. Sum i (of four) is of the channels
// 4 l + i: its weights are those of byte i of every four, and zero for the other bytes, so that the input need not be
// interleaved.
//
// There is no lower clamp before rounding: a NaN and values below the range of int32 become the lowest int32, and
// packing saturates.
INLINE void run_pointwise(const quern_depthwise_args *a, size_t channel, int rows) {
  quad weights = every_fourth(a->weights + channel * 4, rows);
  UNROLL for (int i = 1; i < 4; ++i) weights.v[i] = _mm512_slli_epi32(weights.v[i], 8 * (unsigned)i);
  const quad bias = every_fourth(a->bias + channel, rows), multiplier = every_fourth(a->multiplier + channel, rows);
  const __m512 high = _mm512_set1_ps((float)(a->output_max - a->output_zero_point));
  const __m512i zero_point = _mm512_set1_epi16((int16_t)a->output_zero_point);
  const __m512i low = _mm512_set1_epi8((char)a->output_min);
  const __m512i order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  for (size_t row = 0; row < a->rows; row += (size_t)rows) {
    const int32_t *offsets[] = {a->offsets + row, a->offsets + (row + 1 < a->rows ? row + 1 : row)};
    const __m512i x = load_tap(a->input + channel, offsets, 0, rows);
    __m512i q[4];
    UNROLL for (int i = 0; i < 4; ++i) {
      const __m512i acc = _mm512_dpbusd_epi32(bias.v[i], x, weights.v[i]);
      const __m512 real = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), _mm512_castsi512_ps(multiplier.v[i]));
      q[i] = _mm512_cvtps_epi32(_mm512_min_ps(high, real)); // for a NaN, this is the second operand
    }
    const __m512i ab = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), zero_point);
    const __m512i cd = _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), zero_point);
    const __m512i bytes = _mm512_shuffle_epi8(_mm512_max_epu8(_mm512_packus_epi16(ab, cd), low), order);
    uint8_t *y = a->output + row * a->output_stride + channel;
    if (rows == 1) {
      _mm512_storeu_si512(y, bytes);
      continue;
    }
    _mm256_storeu_si256((__m256i *)y, _mm512_castsi512_si256(bytes));
    if (row + 1 < a->rows) _mm256_storeu_si256((__m256i *)(y + a->output_stride), _mm512_extracti64x4_epi64(bytes, 1));
  }
}

static void run_pointwise_64(const quern_depthwise_args *a, size_t channel) { run_pointwise(a, channel, 1); }
static void run_pointwise_32(const quern_depthwise_args *a, size_t channel) { run_pointwise(a, channel, 2); }

void quern_depthwise_avx512vnni(const quern_depthwise_args *a) {
  if (a->taps > 4 * max_groups) return quern_depthwise_scalar(a);
  if (a->rows == 0) return;
  const quern_bounds_512 bounds = quern_bounds_512_make(a->output_zero_point, a->output_min, a->output_max);
  size_t channel = 0;
  if (a->taps == 1 && !a->output_f32 && !a->addend) {
    for (; channel + 64 <= a->channels; channel += 64) run_pointwise_64(a, channel);
    if (channel + 32 <= a->channels) {
      run_pointwise_32(a, channel);
      channel += 32;
    }
  }
  for (; channel + 64 <= a->channels; channel += 64) run_64(a, &bounds, channel);
  const size_t left = a->channels - channel;
  if (left > 32) {
    run_48(a, &bounds, channel, left);
  } else if (left > 16) {
    run_32(a, &bounds, channel, left);
  } else if (left > 0) {
    run_16(a, &bounds, channel, left);
  }
}

#pragma clang attribute pop
#endif
