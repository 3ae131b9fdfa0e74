#include "quern_histogram.h"

#define QUERN_KERNEL(needed, name, count) void count(const float *, size_t, quern_histogram *);
#include "kernels.def"
#undef QUERN_KERNEL

#define QUERN_KERNEL(needed, name, count) {name, needed, count},
static const quern_histogram_kernel kernels[] = {
#include "kernels.def"
};

const quern_histogram_kernel *const quern_histogram_kernels = kernels;
const size_t quern_histogram_kernel_count = sizeof kernels / sizeof kernels[0];
