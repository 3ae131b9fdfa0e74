#include "functions.h"

#define QUERN_KERNEL(needed, name, run) {name, needed, run},
static const quern_lookup_kernel kernels[] = {
#include "kernels.def"
};

const quern_lookup_kernel *const quern_lookup_kernels = kernels;
const size_t quern_lookup_kernel_count = sizeof kernels / sizeof kernels[0];
