#include "quern_depthwise_f32.h"

#define QUERN_KERNEL(needed, name, run) void run(const quern_depthwise_f32_args *);
#include "kernels.def"
#undef QUERN_KERNEL

#define QUERN_KERNEL(needed, name, run) {name, needed, run},
static const quern_depthwise_f32_kernel kernels[] = {
#include "kernels.def"
};

const quern_depthwise_f32_kernel *const quern_depthwise_f32_kernels = kernels;
const size_t quern_depthwise_f32_kernel_count = sizeof kernels / sizeof kernels[0];
