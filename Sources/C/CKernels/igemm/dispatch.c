#include "quern_igemm.h"

#define QUERN_KERNEL(needed, name, run) void run(const quern_igemm_args *);
#include "kernels.def"
#undef QUERN_KERNEL

#define QUERN_KERNEL(needed, name, run) {name, needed, run},
static const quern_igemm_kernel kernels[] = {
#include "kernels.def"
};

const quern_igemm_kernel *const quern_igemm_kernels = kernels;
const size_t quern_igemm_kernel_count = sizeof kernels / sizeof kernels[0];
