#include "functions.h"

#define QUERN_KERNEL(needed, name, tier) {name, needed, quern_winograd_input_##tier, quern_winograd_output_##tier},
static const quern_winograd_kernel kernels[] = {
#include "kernels.def"
};

const quern_winograd_kernel *const quern_winograd_kernels = kernels;
const size_t quern_winograd_kernel_count = sizeof kernels / sizeof kernels[0];
