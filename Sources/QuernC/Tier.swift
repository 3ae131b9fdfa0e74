import CQuern
import Kernels

/// A tier of kernels by its number in the interface.
struct Tier {
  /// The `quern_tier`.
  let number: UInt32

  init(_ number: UInt32) { self.number = number }

  /// - Parameter tier: a tier of this machine. A combination of instruction sets that has no number is that of
  ///   `QUERN_TIER_AUTO`.
  init(_ tier: KernelTier) {
    number = UInt32(clamping: Self.names.firstIndex { "\($0)" == tier.name } ?? 0)
  }

  /// The names of the tiers, by their numbers.
  private static let names: [StaticString] = [
    "auto", "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "neon", "neondot", "avx512vbmi",
  ]

  private var text: StaticString? { number < Self.names.count ? Self.names[Int(number)] : nil }

  /// `nil` for `QUERN_TIER_AUTO`, and for a number that is no tier.
  private var tier: KernelTier? { text.flatMap { text in KernelTier.all.first { $0.name == "\(text)" } } }

  private var features: CPUFeatures? { number == 0 ? .current : tier?.features }

  var isAvailable: Bool { features.map { CPUFeatures.current.isSuperset(of: $0) } ?? false }

  var name: UnsafePointer<CChar> { (text ?? "unknown tier").cString }

  /// - Throws: a failure for a number that is no tier, or one that this processor does not have.
  func kernels() throws(Failure) -> KernelSet {
    guard let text, let features else { throw .invalid("there is no kernel tier \(number)") }
    guard isAvailable else {
      throw Failure(QUERN_ERROR_NOT_AVAILABLE, "this processor does not have the instructions of the tier \(text)")
    }
    return KernelSet(features: features)
  }

  /// The tiers that a self-test of this one runs with: for `QUERN_TIER_AUTO`, those of this machine, best first.
  ///
  /// - Parameter includesScalar: whether the scalar kernels are among those of the machine.
  /// - Throws: as `kernels`.
  func tested(includesScalar: Bool) throws(Failure) -> [KernelTier] {
    _ = try kernels()
    return tier.map { [$0] } ?? KernelTier.tested(includesScalar: includesScalar)
  }
}

extension StaticString {
  /// The text as a C string, which lives as long as the process.
  var cString: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
