#include "quern_cpu.h"

#if defined(__x86_64__)

#include <cpuid.h>

// Reads XCR0, which tells which register files the operating system saves and restores.
static uint64_t extended_control_register(void) {
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return ((uint64_t)high << 32) | low;
}

static int has(uint32_t word, uint32_t bits) { return (word & bits) == bits; }

uint32_t quern_cpu_features(void) {
  enum { osxsave = 1 << 27, avx = 1 << 28, fma = 1 << 12, f16c = 1 << 29 };                          // leaf 1, ECX
  enum { avx2 = 1 << 5, avx512f = 1 << 16, avx512dq = 1 << 17, avx512bw = 1 << 30 };                 // leaf 7, EBX
  const uint32_t avx512vl = 1u << 31;                                                                // leaf 7, EBX
  enum { avx512_vbmi = 1 << 1, avx512_vnni = 1 << 11 };                                              // leaf 7, ECX
  enum { avx_vnni = 1 << 4 };                                                                        // leaf 7.1, EAX
  enum { state_ymm = 0x06, state_zmm = 0xE6 };                                                       // XCR0

  uint32_t a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !has(c, osxsave | avx | fma | f16c)) return 0;
  const uint64_t state = extended_control_register();
  if ((state & state_ymm) != state_ymm) return 0;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !has(b, avx2)) return 0;

  uint32_t features = QUERN_CPU_AVX2;
  const uint32_t subleaves = a;
  if ((state & state_zmm) == state_zmm && has(b, avx512f | avx512dq | avx512bw | avx512vl)) {
    features |= QUERN_CPU_AVX512;
    if (has(c, avx512_vnni)) features |= QUERN_CPU_AVX512_VNNI;
    if (has(c, avx512_vbmi)) features |= QUERN_CPU_AVX512_VBMI;
  }
  if (subleaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && has(a, avx_vnni)) features |= QUERN_CPU_AVX_VNNI;
  return features;
}

#elif defined(__aarch64__)

#if defined(__linux__)
#include <sys/auxv.h>
#endif

uint32_t quern_cpu_features(void) {
  uint32_t features = QUERN_CPU_NEON; // every AArch64 has it
#if defined(__linux__)
  const unsigned long hwcap_asimddp = 1ul << 20;
  if (getauxval(AT_HWCAP) & hwcap_asimddp) features |= QUERN_CPU_NEON_DOT;
#elif defined(__ARM_FEATURE_DOTPROD)
  features |= QUERN_CPU_NEON_DOT;
#endif
  return features;
}

#else

uint32_t quern_cpu_features(void) { return 0; }

#endif
