#include "functions.h"

#if defined(__aarch64__)

#include <arm_neon.h>

// 16 values at a time; the scalar tier looks up the remaining ones. An instruction looks up values in a table of 64
// bytes, and leaves the result of values outside of it unchanged.

void quern_lookup_neon(const uint8_t *x, size_t count, const uint8_t *table, uint8_t *y) {
  const uint8x16x4_t parts[4] = {vld1q_u8_x4(table), vld1q_u8_x4(table + 64), vld1q_u8_x4(table + 128),
                                 vld1q_u8_x4(table + 192)};
  const uint8x16_t step = vdupq_n_u8(64);
  size_t i = 0;
  for (; i + 16 <= count; i += 16) {
    uint8x16_t index = vld1q_u8(x + i);
    uint8x16_t found = vqtbl4q_u8(parts[0], index);
#pragma clang loop unroll(full)
    for (int part = 1; part < 4; ++part) {
      index = vsubq_u8(index, step);
      found = vqtbx4q_u8(found, parts[part], index);
    }
    vst1q_u8(y + i, found);
  }
  quern_lookup_scalar(x + i, count - i, table, y + i);
}
#endif
