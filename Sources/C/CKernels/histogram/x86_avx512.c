#include "grid.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,popcnt"))), apply_to = function)

// Bin 0 has the values that a ReLU set to zero, often half of all. It is counted by popcount, since many consecutive
// increments of one address would wait for each other. The bins of other values are collected in a queue.

enum { queue_size = 512 };

static void count_queue(const uint32_t *queue, size_t length, uint32_t *bins) {
  for (size_t i = 0; i < length; ++i) bins[queue[i]] += 1;
}

void quern_histogram_avx512(const float *x, size_t count, quern_histogram *histogram) {
  uint32_t queue[queue_size + 16];
  size_t length = 0;
  uint64_t nonfinite = 0, small = 0;
  __m512 minimum = _mm512_set1_ps(INFINITY), maximum = _mm512_set1_ps(-INFINITY);
  const __m512i first = _mm512_set1_epi32(quern_first_bits), infinity = _mm512_set1_epi32(quern_infinity_bits);
  for (size_t i = 0; i < count; i += 16) {
    const __mmask16 inside = count - i >= 16 ? (__mmask16)0xFFFF : (__mmask16)((1u << (count - i)) - 1);
    const __m512 values = _mm512_maskz_loadu_ps(inside, x + i);
    const __m512i bits = _mm512_castps_si512(values);
    const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(quern_magnitude_bits));
    const __mmask16 finite = _mm512_mask_cmplt_epi32_mask(inside, magnitude, infinity);
    const __mmask16 large = _mm512_mask_cmpge_epi32_mask(finite, magnitude, first);
    minimum = _mm512_mask_min_ps(minimum, finite, minimum, values);
    maximum = _mm512_mask_max_ps(maximum, finite, maximum, values);
    nonfinite += (uint64_t)_mm_popcnt_u32((uint32_t)(inside & ~finite));
    small += (uint64_t)_mm_popcnt_u32((uint32_t)(finite & ~large));
    const __m512i cell = _mm512_min_epi32(_mm512_srli_epi32(magnitude, 16), _mm512_set1_epi32(quern_top));
    const __m512i sign = _mm512_slli_epi32(_mm512_srli_epi32(bits, 31), 12);
    const __m512i bin = _mm512_add_epi32(_mm512_add_epi32(cell, sign), _mm512_set1_epi32(1 - quern_base));
    _mm512_storeu_si512(queue + length, _mm512_maskz_compress_epi32(large, bin));
    length += (size_t)_mm_popcnt_u32((uint32_t)large);
    if (length >= queue_size) {
      count_queue(queue, length, histogram->bins);
      length = 0;
    }
  }
  count_queue(queue, length, histogram->bins);
  histogram->bins[0] += (uint32_t)small;
  histogram->nonfinite += nonfinite;
  quern_histogram_extend(histogram, _mm512_reduce_min_ps(minimum), _mm512_reduce_max_ps(maximum));
}

_Static_assert(quern_bins_per_sign == 1 << 12, "the sign bit is shifted to its bin");

#pragma clang attribute pop
#endif
