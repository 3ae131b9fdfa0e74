#pragma once
#include <stdint.h>

// Instruction sets that kernel tiers need, as bits. A tier's row in kernels.def has the bits that the tier needs, and
// quern_cpu_features() returns those of the machine. Tests pass smaller sets to select lower tiers.
enum {
  QUERN_CPU_AVX2 = 1 << 0,        // AVX2, FMA and F16C
  QUERN_CPU_AVX512 = 1 << 1,      // AVX-512 F, BW, DQ and VL
  QUERN_CPU_AVX512_VNNI = 1 << 2, // AVX-512 VNNI (with QUERN_CPU_AVX512)
  QUERN_CPU_AVX_VNNI = 1 << 3,    // VNNI in VEX encoding
  QUERN_CPU_NEON = 1 << 4,
  QUERN_CPU_NEON_DOT = 1 << 5,
  QUERN_CPU_AVX512_VBMI = 1 << 6, // AVX-512 VBMI (with QUERN_CPU_AVX512)
};

// The instruction sets that the processor has and whose registers the operating system saves.
uint32_t quern_cpu_features(void);

// Rows of the kernel tables are immutable, so Swift may share them between threads.
#if defined(__clang__)
#define QUERN_SENDABLE __attribute__((swift_attr("@Sendable")))
#else
#define QUERN_SENDABLE
#endif
