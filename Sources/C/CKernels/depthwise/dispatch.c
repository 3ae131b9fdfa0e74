#include "quern_depthwise.h"

#define QUERN_KERNEL(needed, name, run) void run(const quern_depthwise_args *);
#include "kernels.def"
#undef QUERN_KERNEL

#define QUERN_KERNEL(needed, name, run) {name, needed, run},
static const quern_depthwise_kernel kernels[] = {
#include "kernels.def"
};

const quern_depthwise_kernel *const quern_depthwise_kernels = kernels;
const size_t quern_depthwise_kernel_count = sizeof kernels / sizeof kernels[0];
