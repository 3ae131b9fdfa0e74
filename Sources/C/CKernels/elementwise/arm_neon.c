#include "functions.h"
#include "../clamp/clamp.h"

#if defined(__aarch64__)

#include "../requantise/arm_neon.h"

#pragma STDC FP_CONTRACT OFF

// 16 values at a time; the scalar tier computes the remaining ones.

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { width = 16 };

typedef struct {
  float32x4_t v[4];
} quad;

INLINE quad repeated(float x) { return (quad){{vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x), vdupq_n_f32(x)}}; }

// (q - zero_point) * factor
INLINE quad scaled(const uint8_t *q, int32_t zero_point, quad factors) {
  quad real;
  quern_scaled_neon(vld1q_u8(q), zero_point, factors.v, real.v);
  return real;
}

// As above, with remainders where `remainder` is not null.
INLINE quad scaled_levels(const uint8_t *q, const uint8_t *remainder, int32_t zero_point, quad factors) {
  if (!remainder) return scaled(q, zero_point, factors);
  quad real;
  quern_scaled_fine_neon(vld1q_u8(q), vld1q_u8(remainder), zero_point, factors.v, real.v);
  return real;
}

INLINE quad load(const float *x) {
  return (quad){{vld1q_f32(x), vld1q_f32(x + 4), vld1q_f32(x + 8), vld1q_f32(x + 12)}};
}

INLINE quad sum(quad a, quad b) {
  UNROLL for (int i = 0; i < 4; ++i) a.v[i] = vaddq_f32(a.v[i], b.v[i]);
  return a;
}

INLINE void store(float *x, quad real) {
  UNROLL for (int i = 0; i < 4; ++i) vst1q_f32(x + i * 4, real.v[i]);
}

void quern_quantize_neon(const float *x, size_t count, float scale, int32_t zero_point, uint8_t *q) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(zero_point, 0, 255);
  const float32x4_t divisor = vdupq_n_f32(scale);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    quad real = load(x + i);
    UNROLL for (int j = 0; j < 4; ++j) real.v[j] = vdivq_f32(real.v[j], divisor);
    vst1q_u8(q + i, quern_requantise_neon(real.v, &bounds));
  }
  quern_quantize_scalar(x + i, count - i, scale, zero_point, q + i);
}

void quern_dequantize_neon(const uint8_t *q, size_t count, float scale, int32_t zero_point, float *x) {
  const quad factors = repeated(scale);
  size_t i = 0;
  for (; i + width <= count; i += width) store(x + i, scaled(q + i, zero_point, factors));
  quern_dequantize_scalar(q + i, count - i, scale, zero_point, x + i);
}

void quern_add_neon(const uint8_t *a, int32_t za, float ma, const uint8_t *b, int32_t zb, float mb, size_t count,
                    int32_t zero_point, int32_t output_min, int32_t output_max, uint8_t *q) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(zero_point, output_min, output_max);
  const quad factors_a = repeated(ma), factors_b = repeated(mb);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    const quad real = sum(scaled(a + i, za, factors_a), scaled(b + i, zb, factors_b));
    vst1q_u8(q + i, quern_requantise_neon(real.v, &bounds));
  }
  quern_add_scalar(a + i, za, ma, b + i, zb, mb, count - i, zero_point, output_min, output_max, q + i);
}

void quern_multiply_neon(const uint8_t *a, int32_t za, float factor, const uint8_t *b, int32_t zb, size_t count,
                         int32_t zero_point, uint8_t *q) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(zero_point, 0, 255);
  const quad factors = repeated(factor), ones = repeated(1.0f);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    quad real = scaled(a + i, za, factors);
    const quad other = scaled(b + i, zb, ones);
    UNROLL for (int j = 0; j < 4; ++j) real.v[j] = vmulq_f32(real.v[j], other.v[j]);
    vst1q_u8(q + i, quern_requantise_neon(real.v, &bounds));
  }
  quern_multiply_scalar(a + i, za, factor, b + i, zb, count - i, zero_point, q + i);
}

void quern_prelu_neon(const uint8_t *a, int32_t za, float positive, const float *negative, size_t channels, size_t rows,
                      int32_t zero_point, uint8_t *q) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(zero_point, 0, 255);
  const float32x4_t slope = vdupq_n_f32(positive);
  const quad ones = repeated(1.0f);
  for (size_t row = 0; row < rows; ++row, a += channels, q += channels) {
    size_t c = 0;
    for (; c + width <= channels; c += width) {
      quad x = scaled(a + c, za, ones);
      const quad slopes = load(negative + c);
      UNROLL for (int j = 0; j < 4; ++j) {
        x.v[j] = vmulq_f32(x.v[j], vbslq_f32(vcgtzq_f32(x.v[j]), slope, slopes.v[j]));
      }
      vst1q_u8(q + c, quern_requantise_neon(x.v, &bounds));
    }
    quern_prelu_scalar(a + c, za, positive, negative + c, channels - c, 1, zero_point, q + c);
  }
}

void quern_requantize_neon(const uint8_t *a, int32_t za, float ma, size_t count, int32_t zero_point,
                           int32_t output_min, uint8_t *q) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(zero_point, output_min, 255);
  const quad factors = repeated(ma);
  size_t i = 0;
  for (; i + width <= count; i += width) {
    const quad real = scaled(a + i, za, factors);
    vst1q_u8(q + i, quern_requantise_neon(real.v, &bounds));
  }
  quern_requantize_scalar(a + i, za, ma, count - i, zero_point, output_min, q + i);
}

INLINE quad scaled_sum(const quern_scale_args *a, size_t at, quad factors) {
  quad real;
  if (a->reals) {
    real = load(a->reals + at);
    UNROLL for (int i = 0; i < 4; ++i) real.v[i] = vmulq_f32(real.v[i], factors.v[i]);
  } else {
    real = scaled_levels(a->map + at, a->map_remainder ? a->map_remainder + at : 0, a->map_zero_point, factors);
  }
  if (!a->residual) return real;
  return sum(real, scaled_levels(a->residual + at, a->residual_remainder ? a->residual_remainder + at : 0,
                                 a->residual_zero_point, repeated(a->residual_multiplier)));
}

// Computes the last channels of one row, beginning with `first`, by the scalar tier.
static void scale_tail(const quern_scale_args *a, size_t row, size_t first) {
  const size_t at = row * a->channels + first;
  quern_scale_args tail = *a;
  tail.rows = 1;
  tail.channels -= first;
  tail.factors += first;
  if (tail.map) tail.map += at;
  if (tail.map_remainder) tail.map_remainder += at;
  if (tail.reals) tail.reals += at;
  if (tail.residual) tail.residual += at;
  if (tail.residual_remainder) tail.residual_remainder += at;
  if (tail.output) tail.output += at;
  if (tail.output_remainder) tail.output_remainder += at;
  if (tail.output_f32) tail.output_f32 += at;
  quern_scale_scalar(&tail);
}

void quern_scale_neon(const quern_scale_args *a) {
  const quern_bounds_neon bounds = quern_bounds_neon_make(a->output_zero_point, a->output_min, a->output_max);
  const size_t whole = a->channels / width * width;
  for (size_t row = 0; row < a->rows; ++row) {
    for (size_t c = 0; c < whole; c += width) {
      const size_t at = row * a->channels + c;
      quad real = scaled_sum(a, at, load(a->factors + c));
      if (a->output_f32) {
        UNROLL for (int i = 0; i < 4; ++i) real.v[i] = quern_clamped_neon(real.v[i], &a->clamp);
        store(a->output_f32 + at, real);
        continue;
      }
      vst1q_u8(a->output + at, quern_requantise_neon(real.v, &bounds));
      if (a->output_remainder) vst1q_u8(a->output_remainder + at, quern_remainder_neon(real.v, &bounds));
    }
    if (whole < a->channels) scale_tail(a, row, whole);
  }
}
#endif
