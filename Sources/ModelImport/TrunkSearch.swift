/// A trunk that was found by its key names.
struct Trunk: Sendable {
  let architecture: any Architecture.Type
  /// The prefix of its keys: a path of modules that ends with a dot, or an empty string.
  let prefix: String
  /// The family's names of modules by the file's; empty where they are the same.
  var aliases: [String: String] = [:]
}

/// Finds trunks anywhere in a module tree. Prefixes such as `module.`, `_orig_mod.` or `model.backbone.` need not be
/// listed: a trunk's prefix is any path of modules under which an architecture recognises its tensors.
enum TrunkSearch {
  /// The trunks, in the order of their first landmarks in the file.
  static func trunks(in names: [String]) -> [Trunk] {
    let all = Set(names)
    var candidates: [(position: Int, trunk: Trunk)] = []
    var seen: Set<String> = []
    for architecture in Architectures.all {
      var tried: Set<String> = []
      for (position, name) in names.enumerated() {
        for landmark in architecture.landmarks where name.hasSuffix(landmark) {
          let prefix = String(name.dropLast(landmark.count))
          guard prefix.isEmpty || prefix.hasSuffix("."), tried.insert(prefix).inserted, !seen.contains(prefix) else {
            continue
          }
          if architecture.recognizes({ all.contains(prefix + $0) }) {
            seen.insert(prefix)
            let aliases = architecture.aliases { all.contains(prefix + $0) }
            candidates.append((position, Trunk(architecture: architecture, prefix: prefix, aliases: aliases)))
          }
        }
      }
    }
    return candidates.sorted { $0.position < $1.position }.map(\.trunk)
  }
}

/// The modules that contain a trunk, from the trunk's own outwards. A head may be part of any of them.
struct Scopes {
  /// The key prefix of each, the longest first.
  let prefixes: [String]

  /// Lists the modules around a trunk.
  ///
  /// - Parameters:
  ///   - prefix: the key prefix of the trunk.
  ///   - floor: the key prefix of the outermost module to look at.
  init(prefix: String, floor: String) {
    var prefixes = [prefix]
    var parts = prefix.split(separator: ".")
    while let last = prefixes.last, last.count > floor.count, !parts.isEmpty {
      parts.removeLast()
      prefixes.append(parts.map { $0 + "." }.joined())
    }
    self.prefixes = prefixes
  }

  /// The innermost module that contains a tensor, and the tensor's path relative to it.
  func innermost(of name: String) -> (prefix: String, parts: [String])? {
    guard let prefix = prefixes.first(where: name.hasPrefix) else { return nil }
    return (
      prefix, name.dropFirst(prefix.count).split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    )
  }
}
