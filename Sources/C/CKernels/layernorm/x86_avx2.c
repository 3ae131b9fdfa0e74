#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)

#include "rows.h"

void quern_layernorm_avx2(const quern_layernorm_args *a) { run_rows(a); }

#pragma clang attribute pop
#endif
