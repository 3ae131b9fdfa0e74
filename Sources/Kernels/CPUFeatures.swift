import CKernels

/// The instruction sets that kernel tiers may use.
package struct CPUFeatures: OptionSet, Sendable, Hashable {
  /// The bits of quern_cpu.h.
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  /// AVX2, FMA and F16C.
  package static let avx2 = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX2))
  /// AVX-512 F, BW, DQ and VL.
  package static let avx512 = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512))
  /// AVX-512 VNNI.
  package static let avx512VNNI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512_VNNI))
  /// AVX-512 VBMI.
  package static let avx512VBMI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512_VBMI))
  /// VNNI in VEX encoding, for processors without AVX-512.
  package static let avxVNNI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX_VNNI))
  /// Advanced SIMD, which every AArch64 processor has.
  package static let neon = CPUFeatures(rawValue: UInt32(QUERN_CPU_NEON))
  /// The dot-product instructions of Armv8.2 (sdot, udot).
  package static let neonDot = CPUFeatures(rawValue: UInt32(QUERN_CPU_NEON_DOT))

  /// The instruction sets of this machine. The empty set selects the scalar reference kernels.
  package static let current = CPUFeatures(rawValue: quern_cpu_features())
}
