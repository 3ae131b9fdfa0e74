import CKernels

/// The instruction sets that kernel tiers may use.
package struct CPUFeatures: OptionSet, Sendable, Hashable {
  package let rawValue: UInt32
  package init(rawValue: UInt32) { self.rawValue = rawValue }

  package static let avx2 = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX2))
  package static let avx512 = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512))
  package static let avx512VNNI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512_VNNI))
  package static let avx512VBMI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512_VBMI))
  package static let avxVNNI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX_VNNI))
  package static let neon = CPUFeatures(rawValue: UInt32(QUERN_CPU_NEON))
  package static let neonDot = CPUFeatures(rawValue: UInt32(QUERN_CPU_NEON_DOT))

  /// What this machine has. Empty selects the scalar reference kernels everywhere.
  package static let current = CPUFeatures(rawValue: quern_cpu_features())
}
