#include "grid.h"

#if defined(__aarch64__)

#include <arm_neon.h>
#include <math.h>
#include <stddef.h>

void quern_histogram_scalar(const float *, size_t, quern_histogram *);

#pragma STDC FP_CONTRACT OFF

// As in x86_avx512.c: bin 0 is counted by the lanes of masks, the others through a queue.

enum { queue_size = 512 };

static void count_queue(const uint32_t *queue, size_t length, uint32_t *bins) {
  for (size_t i = 0; i < length; ++i) bins[queue[i]] += 1;
}

void quern_histogram_neon(const float *x, size_t count, quern_histogram *histogram) {
  uint32_t queue[queue_size + 4];
  size_t length = 0, i = 0;
  // A selected lane has all bits of its mask set, which is -1.
  uint32x4_t finite_lanes = vdupq_n_u32(0), large_lanes = finite_lanes;
  float32x4_t minimum = vdupq_n_f32(INFINITY), maximum = vdupq_n_f32(-INFINITY);
  for (; i + 4 <= count; i += 4) {
    const float32x4_t values = vld1q_f32(x + i);
    const uint32x4_t bits = vreinterpretq_u32_f32(values), magnitude = vandq_u32(bits, vdupq_n_u32(quern_magnitude_bits));
    const uint32x4_t finite = vcltq_u32(magnitude, vdupq_n_u32(quern_infinity_bits));
    const uint32x4_t large = vandq_u32(finite, vcgeq_u32(magnitude, vdupq_n_u32(quern_first_bits)));
    minimum = vminq_f32(minimum, vbslq_f32(finite, values, vdupq_n_f32(INFINITY)));
    maximum = vmaxq_f32(maximum, vbslq_f32(finite, values, vdupq_n_f32(-INFINITY)));
    finite_lanes = vsubq_u32(finite_lanes, finite);
    large_lanes = vsubq_u32(large_lanes, large);
    const uint32x4_t cell = vminq_u32(vshrq_n_u32(magnitude, 16), vdupq_n_u32(quern_top));
    const uint32x4_t sign = vshlq_n_u32(vshrq_n_u32(bits, 31), 12);
    uint32_t bins[4], chosen[4];
    vst1q_u32(bins, vaddq_u32(vaddq_u32(cell, sign), vdupq_n_u32(1u - quern_base)));
    vst1q_u32(chosen, large);
    for (int lane = 0; lane < 4; ++lane) {
      queue[length] = bins[lane];
      length += chosen[lane] & 1;
    }
    if (length >= queue_size) {
      count_queue(queue, length, histogram->bins);
      length = 0;
    }
  }
  count_queue(queue, length, histogram->bins);
  const uint64_t finite_count = vaddlvq_u32(finite_lanes), large_count = vaddlvq_u32(large_lanes);
  histogram->bins[0] += (uint32_t)(finite_count - large_count);
  histogram->nonfinite += i - finite_count;
  quern_histogram_extend(histogram, vminvq_f32(minimum), vmaxvq_f32(maximum));
  quern_histogram_scalar(x + i, count - i, histogram);
}

_Static_assert(quern_bins_per_sign == 1 << 12, "the sign bit is shifted to its bin");
#endif
