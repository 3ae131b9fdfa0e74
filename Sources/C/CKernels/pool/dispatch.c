#include "functions.h"

#define QUERN_KERNEL(needed, name, tier) \
  {name, needed, quern_max_u8_##tier, quern_max_f32_##tier, quern_table_sum_##tier, quern_sum_u8_##tier, \
   quern_sum_f32_##tier, quern_average_u8_##tier, quern_average_f32_##tier},
static const quern_pool_kernel kernels[] = {
#include "kernels.def"
};

const quern_pool_kernel *const quern_pool_kernels = kernels;
const size_t quern_pool_kernel_count = sizeof kernels / sizeof kernels[0];
