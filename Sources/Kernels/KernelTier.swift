/// A set of instruction sets that the kernels are written for, with a name for people: a machine that has it also has
/// those that are listed after it for the same architecture.
package struct KernelTier: Hashable, Sendable {
  /// The name, such as "avx512vnni".
  package let name: String
  /// The instruction sets.
  package let features: CPUFeatures

  /// The scalar reference kernels, which every machine runs.
  package static let scalar = KernelTier(name: "scalar", features: [])

  /// All tiers, best first, the scalar one last.
  package static let all: [KernelTier] = [
    KernelTier(name: "avx512vbmi", features: [.avx2, .avx512, .avx512VNNI, .avx512VBMI]),
    KernelTier(name: "avx512vnni", features: [.avx2, .avx512, .avx512VNNI]),
    KernelTier(name: "avx512", features: [.avx2, .avx512]),
    KernelTier(name: "avxvnni", features: [.avx2, .avxVNNI]),
    KernelTier(name: "avx2", features: [.avx2]),
    KernelTier(name: "neondot", features: [.neon, .neonDot]),
    KernelTier(name: "neon", features: [.neon]),
    scalar,
  ]

  /// The tier of this machine whose kernels have least in common with the best ones without being slow: the oldest SIMD
  /// tier, or the scalar one where there is only one with SIMD.
  package static let mostDifferent: KernelTier = {
    let simd = available().filter { $0 != scalar }
    return simd.count > 1 ? simd[simd.count - 1] : scalar
  }()

  /// The tiers of this machine that a test runs with unless told otherwise, best first.
  ///
  /// - Parameter includesScalar: whether the scalar kernels, which are slow, are among them where there are others.
  package static func tested(includesScalar: Bool) -> [KernelTier] {
    let tiers = available()
    return includesScalar || tiers == [scalar] ? tiers : tiers.filter { $0 != scalar }
  }

  /// The tiers that a machine can run, best first, the scalar one last. Between them they have every kernel that the
  /// machine can run, and the first has the kernels that it uses unless told otherwise.
  ///
  /// - Parameter features: the instruction sets of the machine.
  package static func available(on features: CPUFeatures = .current) -> [KernelTier] {
    var tiers = all.filter { $0.features.isSubset(of: features) }
    // A processor may have a combination of instruction sets that no tier describes.
    let best = KernelSet(features: features).names
    if tiers.first.map({ KernelSet(features: $0.features).names }) != best {
      tiers.insert(KernelTier(name: "best", features: features), at: 0)
    }
    return tiers
  }
}
