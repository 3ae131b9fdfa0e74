#include "quern_rowlinear.h"

#define QUERN_KERNEL(needed, name, run) void run(const quern_rowlinear_args *);
#include "kernels.def"
#undef QUERN_KERNEL

#define QUERN_KERNEL(needed, name, run) {name, needed, run},
static const quern_rowlinear_kernel kernels[] = {
#include "kernels.def"
};

const quern_rowlinear_kernel *const quern_rowlinear_kernels = kernels;
const size_t quern_rowlinear_kernel_count = sizeof kernels / sizeof kernels[0];
