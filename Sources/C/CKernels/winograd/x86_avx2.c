#include "functions.h"
#include "../clamp/clamp.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { width = 8 };
typedef __m256 vector;

INLINE vector load(const float *from) { return _mm256_loadu_ps(from); }
INLINE void store(float *to, vector x) { _mm256_storeu_ps(to, x); }
INLINE vector add(vector a, vector b) { return _mm256_add_ps(a, b); }
INLINE vector subtract(vector a, vector b) { return _mm256_sub_ps(a, b); }
INLINE vector clamped(vector x, const quern_clamp *clamp) { return quern_clamped_256(x, clamp); }

#include "transforms.h"

QUERN_WINOGRAD_TIER(avx2)

#pragma clang attribute pop
#endif
