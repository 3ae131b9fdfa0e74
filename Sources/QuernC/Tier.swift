import CQuern
import Kernels

/// A tier of kernels by its number in the interface.
struct Tier {
  private let number: UInt32

  init(_ number: UInt32) { self.number = number }

  /// The instruction sets of each tier, by its number.
  private static let tiers: [(name: StaticString, features: CPUFeatures)] = [
    ("auto", .current),
    ("scalar", []),
    ("avx2", .avx2),
    ("avxvnni", [.avx2, .avxVNNI]),
    ("avx512", [.avx2, .avx512]),
    ("avx512vnni", [.avx2, .avx512, .avx512VNNI]),
    ("neon", .neon),
    ("neondot", [.neon, .neonDot]),
  ]

  private var entry: (name: StaticString, features: CPUFeatures)? {
    number < Self.tiers.count ? Self.tiers[Int(number)] : nil
  }

  var isAvailable: Bool { entry.map { CPUFeatures.current.isSuperset(of: $0.features) } ?? false }

  var name: UnsafePointer<CChar> { (entry?.name ?? "unknown tier").cString }

  /// - Throws: a failure for a number that is no tier, or one that this processor does not have.
  func kernels() throws(Failure) -> KernelSet {
    guard let entry else { throw .invalid("there is no kernel tier \(number)") }
    guard isAvailable else {
      throw Failure(
        QUERN_ERROR_NOT_AVAILABLE, "this processor does not have the instructions of the tier \(entry.name)")
    }
    return KernelSet(features: entry.features)
  }
}

extension StaticString {
  /// The text as a C string, which lives as long as the process.
  var cString: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}
