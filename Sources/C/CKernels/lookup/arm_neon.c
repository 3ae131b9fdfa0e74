#include "functions.h"

#if defined(__aarch64__)

#include <arm_neon.h>

// 16 values at a time; the remaining ones of a row are looked up one by one. An instruction looks up values in a table
// of 64 bytes, and leaves the result of values outside of it unchanged.

void quern_lookup_neon(const quern_lookup_args *a) {
  const uint8_t *table = a->table;
  const uint8x16x4_t parts[4] = {vld1q_u8_x4(table), vld1q_u8_x4(table + 64), vld1q_u8_x4(table + 128),
                                 vld1q_u8_x4(table + 192)};
  const uint8x16_t step = vdupq_n_u8(64);
  for (size_t row = 0; row < a->rows; ++row) {
    const uint8_t *x = a->input + row * a->input_stride;
    uint8_t *y = a->output + row * a->output_stride;
    size_t i = 0;
    for (; i + 16 <= a->row_bytes; i += 16) {
      uint8x16_t index = vld1q_u8(x + i);
      uint8x16_t found = vqtbl4q_u8(parts[0], index);
#pragma clang loop unroll(full)
      for (int part = 1; part < 4; ++part) {
        index = vsubq_u8(index, step);
        found = vqtbx4q_u8(found, parts[part], index);
      }
      vst1q_u8(y + i, found);
    }
    quern_look_up(x + i, a->row_bytes - i, table, y + i);
  }
}
#endif
