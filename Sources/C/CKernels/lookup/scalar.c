#include "functions.h"

void quern_lookup_scalar(const quern_lookup_args *a) {
  for (size_t row = 0; row < a->rows; ++row) {
    quern_look_up(a->input + row * a->input_stride, a->row_bytes, a->table, a->output + row * a->output_stride);
  }
}
