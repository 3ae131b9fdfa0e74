#include "grid.h"

#if defined(__x86_64__)

#include <immintrin.h>
#include <math.h>

void quern_histogram_scalar(const float *, size_t, quern_histogram *);

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,popcnt"))), apply_to = function)

// As in x86_avx512.c: bin 0 is counted by popcount, the others through a queue.

enum { queue_size = 512 };

static void count_queue(const uint32_t *queue, size_t length, uint32_t *bins) {
  for (size_t i = 0; i < length; ++i) bins[queue[i]] += 1;
}

static float lowest(__m256 v) {
  float lanes[8];
  _mm256_storeu_ps(lanes, v);
  for (int i = 1; i < 8; ++i) lanes[0] = lanes[i] < lanes[0] ? lanes[i] : lanes[0];
  return lanes[0];
}

void quern_histogram_avx2(const float *x, size_t count, quern_histogram *histogram) {
  uint32_t queue[queue_size + 8];
  size_t length = 0, i = 0;
  uint64_t finite_count = 0, large_count = 0;
  const __m256 infinite = _mm256_set1_ps(INFINITY), negative_zero = _mm256_set1_ps(-0.0f);
  __m256 minimum = infinite, min_negated = infinite; // the negated maximum
  for (; i + 8 <= count; i += 8) {
    const __m256 values = _mm256_loadu_ps(x + i);
    const __m256i bits = _mm256_castps_si256(values);
    const __m256i magnitude = _mm256_and_si256(bits, _mm256_set1_epi32(quern_magnitude_bits));
    const __m256 finite = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(quern_infinity_bits), magnitude));
    const __m256 at_least = _mm256_castsi256_ps(_mm256_cmpgt_epi32(magnitude, _mm256_set1_epi32(quern_first_bits - 1)));
    const __m256 large = _mm256_and_ps(finite, at_least);
    minimum = _mm256_min_ps(minimum, _mm256_blendv_ps(infinite, values, finite));
    min_negated = _mm256_min_ps(min_negated, _mm256_blendv_ps(infinite, _mm256_xor_ps(values, negative_zero), finite));
    finite_count += (uint64_t)_mm_popcnt_u32((uint32_t)_mm256_movemask_ps(finite));
    uint32_t chosen = (uint32_t)_mm256_movemask_ps(large);
    large_count += (uint64_t)_mm_popcnt_u32(chosen);
    const __m256i cell = _mm256_min_epi32(_mm256_srli_epi32(magnitude, 16), _mm256_set1_epi32(quern_top));
    const __m256i sign = _mm256_slli_epi32(_mm256_srli_epi32(bits, 31), 12);
    uint32_t bins[8];
    _mm256_storeu_si256((__m256i *)bins, _mm256_add_epi32(_mm256_add_epi32(cell, sign), _mm256_set1_epi32(1 - quern_base)));
    for (int lane = 0; lane < 8; ++lane, chosen >>= 1) {
      queue[length] = bins[lane];
      length += chosen & 1;
    }
    if (length >= queue_size) {
      count_queue(queue, length, histogram->bins);
      length = 0;
    }
  }
  count_queue(queue, length, histogram->bins);
  histogram->bins[0] += (uint32_t)(finite_count - large_count);
  histogram->nonfinite += i - finite_count;
  quern_histogram_extend(histogram, lowest(minimum), -lowest(min_negated));
  quern_histogram_scalar(x + i, count - i, histogram);
}

_Static_assert(quern_bins_per_sign == 1 << 12, "the sign bit is shifted to its bin");

#pragma clang attribute pop
#endif
