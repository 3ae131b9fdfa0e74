/// A trunk that was found by its key names.
struct Trunk: Sendable {
  let architecture: any Architecture.Type
  /// What stands before its keys: a path of modules that ends with a point, or nothing.
  let prefix: String
  /// The family's names of modules, by the file's; empty where they are the same.
  var aliases: [String: String] = [:]
}

/// Finds trunks wherever they lie in a module tree: `module.`, `_orig_mod.`, `model.backbone.` and the like are not known by
/// name. The longest path of modules below which an architecture has its tensors is the trunk's.
enum TrunkSearch {
  /// In the order in which their first tensors come.
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

/// The modules that hold a trunk, from the trunk itself outwards: a head may be a part of any of them.
struct Scopes {
  /// What stands before the keys of each, the longest first.
  let prefixes: [String]

  /// - Parameters:
  ///   - prefix: of the trunk.
  ///   - floor: of the outermost module to look at.
  init(prefix: String, floor: String) {
    var prefixes = [prefix]
    var parts = prefix.split(separator: ".")
    while let last = prefixes.last, last.count > floor.count, !parts.isEmpty {
      parts.removeLast()
      prefixes.append(parts.map { $0 + "." }.joined())
    }
    self.prefixes = prefixes
  }

  /// The innermost of them that a tensor is in, and its name there.
  func innermost(of name: String) -> (prefix: String, parts: [String])? {
    guard let prefix = prefixes.first(where: name.hasPrefix) else { return nil }
    return (
      prefix, name.dropFirst(prefix.count).split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    )
  }
}
