#include "quern_fgemm.h"

#define QUERN_KERNEL(needed, name, run) void run(const quern_fgemm_args *);
#include "kernels.def"
#undef QUERN_KERNEL

#define QUERN_KERNEL(needed, name, run) {name, needed, run},
static const quern_fgemm_kernel kernels[] = {
#include "kernels.def"
};

const quern_fgemm_kernel *const quern_fgemm_kernels = kernels;
const size_t quern_fgemm_kernel_count = sizeof kernels / sizeof kernels[0];
