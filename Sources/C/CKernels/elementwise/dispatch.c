#include "functions.h"

#define QUERN_KERNEL(needed, name, tier) \
  {name, needed, quern_quantize_##tier, quern_dequantize_##tier, quern_add_##tier, \
   quern_multiply_##tier, quern_prelu_##tier, quern_requantize_##tier, quern_scale_##tier},
static const quern_elementwise_kernel kernels[] = {
#include "kernels.def"
};

const quern_elementwise_kernel *const quern_elementwise_kernels = kernels;
const size_t quern_elementwise_kernel_count = sizeof kernels / sizeof kernels[0];
