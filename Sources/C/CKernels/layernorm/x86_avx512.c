#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

#include "rows.h"

void quern_layernorm_avx512(const quern_layernorm_args *a) { run_rows(a); }

#pragma clang attribute pop
#endif
