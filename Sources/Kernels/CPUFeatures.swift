import CKernels

/// The instruction sets that kernel tiers may use.
public struct CPUFeatures: OptionSet, Sendable, Hashable {
  public let rawValue: UInt32
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  public static let avx2 = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX2))
  public static let avx512 = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512))
  public static let avx512VNNI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512_VNNI))
  public static let avx512VBMI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX512_VBMI))
  public static let avxVNNI = CPUFeatures(rawValue: UInt32(QUERN_CPU_AVX_VNNI))
  public static let neon = CPUFeatures(rawValue: UInt32(QUERN_CPU_NEON))
  public static let neonDot = CPUFeatures(rawValue: UInt32(QUERN_CPU_NEON_DOT))

  /// What this machine has. Empty selects the scalar reference kernels everywhere.
  public static let current = CPUFeatures(rawValue: quern_cpu_features())
}
