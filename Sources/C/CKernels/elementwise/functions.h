#pragma once
#include "quern_elementwise.h"

// The functions of a tier, so that each file's definitions are checked against the table's types.
#define QUERN_ELEMENTWISE_DECLARE(tier) \
  void quern_quantize_##tier(const float *x, size_t count, float scale, int32_t zero_point, uint8_t *q); \
  void quern_dequantize_##tier(const uint8_t *q, size_t count, float scale, int32_t zero_point, float *x); \
  void quern_add_##tier(const uint8_t *a, int32_t za, float ma, const uint8_t *b, int32_t zb, float mb, size_t count, \
                        int32_t zero_point, int32_t output_min, int32_t output_max, uint8_t *q); \
  void quern_multiply_##tier(const uint8_t *a, int32_t za, float factor, const uint8_t *b, int32_t zb, size_t count, \
                             int32_t zero_point, uint8_t *q); \
  void quern_prelu_##tier(const uint8_t *a, int32_t za, float positive, const float *negative, size_t channels, \
                          size_t rows, int32_t zero_point, uint8_t *q); \
  void quern_requantize_##tier(const uint8_t *a, int32_t za, float ma, size_t count, int32_t zero_point, \
                               int32_t output_min, uint8_t *q); \
  void quern_scale_##tier(const quern_scale_args *a);

#define QUERN_KERNEL(needed, name, tier) QUERN_ELEMENTWISE_DECLARE(tier)
#include "kernels.def"
#undef QUERN_KERNEL
