#include "quern_resample.h"

#include <string.h>

// The weights add up to 2^22, except for their rounding, and their magnitudes to less than 1.5 * 2^22 (Lanczos), so a
// sum fits a signed 32-bit integer. Sums are computed unsigned and read as signed at the end: if one ever wrapped, it
// would give a wrong pixel rather than undefined behaviour.

#define INLINE static inline __attribute__((always_inline))

typedef uint8_t u8x4 __attribute__((vector_size(4)));
typedef uint32_t u32x4 __attribute__((vector_size(16)));
typedef uint8_t u8x16 __attribute__((vector_size(16)));
typedef uint32_t u32x16 __attribute__((vector_size(64)));
typedef int32_t i32x16 __attribute__((vector_size(64)));

enum { FRACTION_BITS = 22, BLOCK = 16 };
static const uint32_t HALF = 1u << (FRACTION_BITS - 1);

INLINE uint8_t rounded(uint32_t sum) {
  int32_t value = (int32_t)sum >> FRACTION_BITS;
  return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/// Loads four bytes for each pixel, so that it reads one byte past the last pixel.
INLINE void horizontal_row(
    const uint8_t *source, size_t taps, size_t outputs, const int32_t *first, const int32_t *weights,
    uint8_t *destination) {
  for (size_t x = 0; x < outputs; x++) {
    const uint8_t *pixel = source + 3 * (size_t)first[x];
    u32x4 sum = {HALF, HALF, HALF, HALF};
    for (size_t t = 0; t < taps; t++) {
      u8x4 rgbx;
      memcpy(&rgbx, pixel + 3 * t, sizeof rgbx);
      sum += __builtin_convertvector(rgbx, u32x4) * (uint32_t)weights[x * taps + t];
    }
    for (int c = 0; c < 3; c++) destination[3 * x + c] = rounded(sum[c]);
  }
}

INLINE void horizontal(
    const uint8_t *source, size_t source_stride, size_t input_width, size_t rows, struct quern_resample_taps along,
    uint8_t *scratch, uint8_t *destination) {
  for (size_t y = 0; y < rows; y++) {
    const uint8_t *row = source + y * source_stride;
    if (y + 1 == rows) {
      memcpy(scratch, row, 3 * input_width);
      scratch[3 * input_width] = 0;
      row = scratch;
    }
    uint8_t *out = destination + y * 3 * along.outputs;
    // Enlargements and reductions by small factors have few taps: constants allow the compiler to unroll the loop.
    switch (along.taps) {
      case 2: horizontal_row(row, 2, along.outputs, along.first, along.weights, out); break;
      case 3: horizontal_row(row, 3, along.outputs, along.first, along.weights, out); break;
      case 4: horizontal_row(row, 4, along.outputs, along.first, along.weights, out); break;
      case 5: horizontal_row(row, 5, along.outputs, along.first, along.weights, out); break;
      default: horizontal_row(row, along.taps, along.outputs, along.first, along.weights, out); break;
    }
  }
}

INLINE void vertical_block(
    const uint8_t *source, size_t source_stride, const int32_t *weights, size_t taps, uint8_t *destination) {
  u32x16 sum = (u32x16){} + HALF;
  for (size_t t = 0; t < taps; t++) {
    u8x16 bytes;
    memcpy(&bytes, source + t * source_stride, sizeof bytes);
    sum += __builtin_convertvector(bytes, u32x16) * (uint32_t)weights[t];
  }
  i32x16 value = (i32x16)sum >> FRACTION_BITS;
  value = __builtin_elementwise_max(__builtin_elementwise_min(value, (i32x16){} + 255), (i32x16){});
  u8x16 result = __builtin_convertvector(value, u8x16);
  memcpy(destination, &result, sizeof result);
}

INLINE void vertical(
    const uint8_t *source, size_t source_stride, size_t row_bytes, struct quern_resample_taps along,
    uint8_t *destination) {
  for (size_t y = 0; y < along.outputs; y++) {
    const uint8_t *top = source + (size_t)along.first[y] * source_stride;
    const int32_t *weights = along.weights + y * along.taps;
    uint8_t *out = destination + y * row_bytes;
    if (row_bytes < BLOCK) {
      for (size_t x = 0; x < row_bytes; x++) {
        uint32_t sum = HALF;
        for (size_t t = 0; t < along.taps; t++) sum += top[t * source_stride + x] * (uint32_t)weights[t];
        out[x] = rounded(sum);
      }
      continue;
    }
    // The last block overlaps the one before it instead of being shorter.
    for (size_t x = 0; x < row_bytes; x += BLOCK) {
      if (x > row_bytes - BLOCK) x = row_bytes - BLOCK;
      vertical_block(top + x, source_stride, weights, along.taps, out + x);
    }
  }
}

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2")))

AVX2 static void horizontal_avx2(
    const uint8_t *source, size_t source_stride, size_t input_width, size_t rows, struct quern_resample_taps along,
    uint8_t *scratch, uint8_t *destination) {
  horizontal(source, source_stride, input_width, rows, along, scratch, destination);
}

AVX2 static void vertical_avx2(
    const uint8_t *source, size_t source_stride, size_t row_bytes, struct quern_resample_taps along,
    uint8_t *destination) {
  vertical(source, source_stride, row_bytes, along, destination);
}
#endif

void quern_resample_horizontal(
    const uint8_t *source, size_t source_stride, size_t input_width, size_t rows, struct quern_resample_taps along,
    uint8_t *scratch, uint8_t *destination) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    horizontal_avx2(source, source_stride, input_width, rows, along, scratch, destination);
    return;
  }
#endif
  horizontal(source, source_stride, input_width, rows, along, scratch, destination);
}

void quern_resample_vertical(
    const uint8_t *source, size_t source_stride, size_t row_bytes, struct quern_resample_taps along,
    uint8_t *destination) {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2")) {
    vertical_avx2(source, source_stride, row_bytes, along, destination);
    return;
  }
#endif
  vertical(source, source_stride, row_bytes, along, destination);
}
