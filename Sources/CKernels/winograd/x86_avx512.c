#include "functions.h"

#if defined(__x86_64__)

#include <immintrin.h>

#pragma STDC FP_CONTRACT OFF
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { width = 16 };
typedef __m512 vector;

INLINE vector load(const float *from) { return _mm512_loadu_ps(from); }
INLINE void store(float *to, vector x) { _mm512_storeu_ps(to, x); }
INLINE vector add(vector a, vector b) { return _mm512_add_ps(a, b); }
INLINE vector subtract(vector a, vector b) { return _mm512_sub_ps(a, b); }
INLINE vector relu(vector x) { return _mm512_max_ps(x, _mm512_setzero_ps()); }

#include "transforms.h"

void quern_winograd_input_avx512(const quern_winograd_input_args *a) {
  if (a->channels < width) return quern_winograd_input_scalar(a);
  transform_tiles(a);
}

void quern_winograd_output_avx512(const quern_winograd_output_args *a) {
  if (a->channels < width) return quern_winograd_output_scalar(a);
  finish_tiles(a);
}

#pragma clang attribute pop
#endif
