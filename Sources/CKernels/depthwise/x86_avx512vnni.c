#include "quern_depthwise.h"

#if defined(__x86_64__)

#include "../requantise/x86_avx512.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni"))), apply_to = function)

// 64 channels (4 blocks) and up to 4 rows at once. Four taps of 64 bytes are interleaved within 128-bit lanes, so that of
// the four results, number i holds in lane l the channels 16 l + 4 i to 16 l + 4 i + 3. Weights, bias and multiplier are
// brought to that order by a transposition of lanes, and packing the results undoes it.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { max_rows = 4 };

typedef struct {
  __m512i v[4];
} quad;

// Lane l of v[i] and lane i of v[l] change places.
INLINE quad transpose_lanes(quad q) {
  const __m512i a = _mm512_shuffle_i32x4(q.v[0], q.v[1], 0x44), b = _mm512_shuffle_i32x4(q.v[0], q.v[1], 0xEE);
  const __m512i c = _mm512_shuffle_i32x4(q.v[2], q.v[3], 0x44), d = _mm512_shuffle_i32x4(q.v[2], q.v[3], 0xEE);
  return (quad){{_mm512_shuffle_i32x4(a, c, 0x88), _mm512_shuffle_i32x4(a, c, 0xDD), _mm512_shuffle_i32x4(b, d, 0x88),
                 _mm512_shuffle_i32x4(b, d, 0xDD)}};
}

// 64 bytes of each of `blocks` blocks, zero for the others.
INLINE quad load_lanes(const void *from, size_t block_bytes, size_t blocks) {
  const char *p = from;
  quad q;
  UNROLL for (size_t i = 0; i < 4; ++i) {
    q.v[i] = i < blocks ? _mm512_loadu_si512(p + i * block_bytes) : _mm512_setzero_si512();
  }
  return transpose_lanes(q);
}

INLINE quad interleave(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab_low = _mm512_unpacklo_epi8(a, b), ab_high = _mm512_unpackhi_epi8(a, b);
  const __m512i cd_low = _mm512_unpacklo_epi8(c, d), cd_high = _mm512_unpackhi_epi8(c, d);
  return (quad){{_mm512_unpacklo_epi16(ab_low, cd_low), _mm512_unpackhi_epi16(ab_low, cd_low),
                 _mm512_unpacklo_epi16(ab_high, cd_high), _mm512_unpackhi_epi16(ab_high, cd_high)}};
}

INLINE __m512i load_channels(const uint8_t *from, __mmask64 mask, int full) {
  return full ? _mm512_loadu_si512(from) : _mm512_maskz_loadu_epi8(mask, from);
}

INLINE void run_tile(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t row, size_t channel,
                     size_t count, int R, int full) {
  const size_t taps = a->taps, groups = (taps + 3) / 4, block_bytes = groups * 64, blocks = (count + 15) / 16;
  const __mmask64 mask = full ? ~0ull : (1ull << count) - 1;
  const uint8_t *input = a->input + channel;
  const int8_t *weights = a->weights + channel / 16 * block_bytes;
  const int32_t *offsets = a->offsets + row * taps;
  quad acc[max_rows];
  acc[0] = load_lanes(a->bias + channel, 64, blocks);
  UNROLL for (int r = 1; r < R; ++r) acc[r] = acc[0];
  for (size_t g = 0; g < groups; ++g) {
    const quad w = load_lanes(weights + g * 64, block_bytes, blocks);
    const size_t last = taps - 1, t = g * 4;
    const size_t t1 = t + 1 < last ? t + 1 : last, t2 = t + 2 < last ? t + 2 : last, t3 = t + 3 < last ? t + 3 : last;
    UNROLL for (int r = 0; r < R; ++r) {
      const int32_t *o = offsets + (size_t)r * taps;
      const quad x = interleave(load_channels(input + o[t], mask, full), load_channels(input + o[t1], mask, full),
                                load_channels(input + o[t2], mask, full), load_channels(input + o[t3], mask, full));
      UNROLL for (int i = 0; i < 4; ++i) acc[r].v[i] = _mm512_dpbusd_epi32(acc[r].v[i], x.v[i], w.v[i]);
    }
  }
  const quad multiplier = load_lanes(a->multiplier + channel, 64, blocks);
  UNROLL for (int r = 0; r < R; ++r) {
    __m512i q[4];
    UNROLL for (int i = 0; i < 4; ++i) {
      const __m512 real = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[r].v[i]), _mm512_castsi512_ps(multiplier.v[i]));
      q[i] = quern_round_512(real, bounds);
    }
    uint8_t *y = a->output + (row + (size_t)r) * a->output_stride + channel;
    const __m512i bytes = quern_pack_lanes_512(q[0], q[1], q[2], q[3], bounds);
    if (full) {
      _mm512_storeu_si512(y, bytes);
    } else {
      _mm512_mask_storeu_epi8(y, mask, bytes);
    }
  }
}

INLINE void run_rows(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t channel, size_t count,
                     int full) {
  size_t row = 0;
  for (; row + max_rows <= a->rows; row += max_rows) run_tile(a, bounds, row, channel, count, max_rows, full);
  for (; row < a->rows; ++row) run_tile(a, bounds, row, channel, count, 1, full);
}

static void run_full(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t channel) {
  run_rows(a, bounds, channel, 64, 1);
}

static void run_rest(const quern_depthwise_args *a, const quern_bounds_512 *bounds, size_t channel, size_t count) {
  run_rows(a, bounds, channel, count, 0);
}

void quern_depthwise_avx512vnni(const quern_depthwise_args *a) {
  const quern_bounds_512 bounds = quern_bounds_512_make(a->output_zero_point, a->output_min, a->output_max);
  size_t channel = 0;
  for (; channel + 64 <= a->channels; channel += 64) run_full(a, &bounds, channel);
  if (channel < a->channels) run_rest(a, &bounds, channel, a->channels - channel);
}

#pragma clang attribute pop
#endif
