#pragma once
#include "quern_layernorm.h"

// The function of each tier, so that each file's definition is checked against the table's type.
#define QUERN_KERNEL(needed, name, run) void run(const quern_layernorm_args *a);
#include "kernels.def"
#undef QUERN_KERNEL
