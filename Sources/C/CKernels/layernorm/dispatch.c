#include "functions.h"

#define QUERN_KERNEL(needed, name, run) {name, needed, run},
static const quern_layernorm_kernel kernels[] = {
#include "kernels.def"
};

const quern_layernorm_kernel *const quern_layernorm_kernels = kernels;
const size_t quern_layernorm_kernel_count = sizeof kernels / sizeof kernels[0];
