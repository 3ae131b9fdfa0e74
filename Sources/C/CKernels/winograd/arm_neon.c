#include "functions.h"
#include "../clamp/clamp.h"

#if defined(__aarch64__)

#include "../requantise/arm_neon.h"

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("clang loop unroll(full)")

enum { width = 4 };
typedef float32x4_t vector;

INLINE vector load(const float *from) { return vld1q_f32(from); }
INLINE void store(float *to, vector x) { vst1q_f32(to, x); }
INLINE vector add(vector a, vector b) { return vaddq_f32(a, b); }
INLINE vector subtract(vector a, vector b) { return vsubq_f32(a, b); }
INLINE vector clamped(vector x, const quern_clamp *clamp) { return quern_clamped_neon(x, clamp); }

#include "transforms.h"

QUERN_WINOGRAD_TIER(neon)

#endif
