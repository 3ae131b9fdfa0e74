#pragma once
#include <immintrin.h>

// vpdpbusd on 256 bits multiplies unsigned bytes of the second operand by signed bytes of the third, and adds four
// products to each int32 of the first.
//
// Processors with AVX-512 VNNI have the same instruction in another encoding, but not all of them have this one. Tests
// built with QUERN_AVXVNNI_AS_AVX512 run the same source there.
#if defined(QUERN_AVXVNNI_AS_AVX512)
#define QUERN_AVXVNNI_TARGET "avx2,fma,f16c,avx512vl,avx512vnni"
#define quern_dot_256 _mm256_dpbusd_epi32
#else
#define QUERN_AVXVNNI_TARGET "avx2,fma,f16c,avxvnni"
#define quern_dot_256 _mm256_dpbusd_avx_epi32
#endif
