#include "quern_moments.h"

#define QUERN_KERNEL(needed, name, add) void add(const quern_moments_args *);
#include "kernels.def"
#undef QUERN_KERNEL

#define QUERN_KERNEL(needed, name, add) {name, needed, add},
static const quern_moments_kernel kernels[] = {
#include "kernels.def"
};

const quern_moments_kernel *const quern_moments_kernels = kernels;
const size_t quern_moments_kernel_count = sizeof kernels / sizeof kernels[0];
