import Fidelity
import FoundationEssentials

/// What provenance and bills of materials share.
extension FidelityReport {
  /// The package's name without its folder.
  var packageName: String {
    package.flatMap { $0.path.split(separator: "/").last.map(String.init) } ?? "package"
  }

  /// The time that documents state, by RFC 3339; nil where none is given.
  var statedTime: String? {
    build?.time.map { Date(timeIntervalSince1970: TimeInterval($0)).formatted(.iso8601) }
  }

  /// The images that the package was calibrated on, other ones that its weights were rounded with, and those that it
  /// was compared on.
  var imageSets: [(role: String, set: ImageSet)] {
    let sets = [
      ("calibration images", calibration), ("rounding images", build?.roundingImages),
      ("verification images", verification?.set),
    ]
    return sets.compactMap { role, set in set.map { (role, $0) } }
  }

  /// The files that were read, apart from the checkpoint and images.
  var inputFiles: [PackageBuild.Input] {
    (build?.inputs ?? [])
      + [configuration.map { .init(role: "configuration", path: $0.path, sha256: $0.sha256) }].compactMap(\.self)
  }
}

extension JSONValue {
  /// An object without the members that are null.
  static func compact(_ members: [String: JSONValue]) -> JSONValue { .object(members.filter { $0.value != .null }) }
}
