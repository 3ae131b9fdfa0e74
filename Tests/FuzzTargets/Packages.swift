import Files
import Inference
import PackageDelta
import PackageFormat
import Tensors

extension FuzzTarget {
  /// Readers of packages and patches.
  static let packages: [FuzzTarget] = [
    FuzzTarget("package", seeds: ["packages/*.quern", "patches/*.quern"], byteLimit: 1 << 14) { input in
      let reader = try PackageReader(storage: input.storage, path: "input")
      try reader.checkAll()
      _ = try? PackagedNetwork(reader)  // operators that this version does not have are no damage
      _ = try StoredFidelity(metadata: reader.metadata(), contentHash: reader.contentHash)
    },
    FuzzTarget("patch", seeds: ["patches/*.qpatch"]) { input in
      let patch = try PatchApplier(storage: input.storage)
      var failure: (any Error)?
      for package in oldPackages where package.contentHash == patch.old.contentHash {
        do { _ = try patch.layout(old: package).bytes } catch { failure = error }
      }
      if let failure { throw failure }
    },
  ]

  /// The packages that the patches among the seeds apply to.
  private static let oldPackages: [PackageReader] = ["packages/version-1.0.quern", "packages/worked-example.quern"].map
  {
    do { return try PackageReader.open(path: "\(Fixtures.path)/\($0)") } catch { fatalError("\($0): \(error)") }
  }
}
