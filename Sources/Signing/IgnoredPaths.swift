/// The paths that a statement says were left out of what is signed (OpenSSF Model Signing 1.0, section 6.2).
struct IgnoredPaths {
  private let paths: [[[UInt8]]]

  /// - Parameters:
  ///   - members: how the files were hashed; it may have no such paths.
  ///   - key: the name of their array.
  /// - Throws: `SignatureProblem.member` where they are no array of paths in the folder of the model.
  init(_ members: JSONMembers, _ key: String) throws(SignatureProblem) {
    var paths: [[[UInt8]]] = []
    for path in try members.has(key) ? members.strings(key) : [] {
      let components = Self.components(path)
      // model-signing may name the folder that the model is in, which leaves nothing of the model out.
      let parent = Array("..".utf8)
      guard !path.utf8.starts(with: "/".utf8), components == [parent] || !components.contains(parent) else {
        throw .member("serialization.\(key)", "has '\(path.prefix(100))', which is not in the folder of the model")
      }
      paths.append(components)
    }
    self.paths = paths
  }

  /// Whether a file is one of these paths, or in one.
  func contains(_ name: String) -> Bool {
    let components = Self.components(name)
    return paths.contains { components.starts(with: $0) }
  }

  /// The names in a path. A dot stands for the folder itself, or for a single file.
  private static func components(_ path: String) -> [[UInt8]] {
    path.utf8.split(separator: UInt8(ascii: "/")).map { Array($0) }.filter { $0 != Array(".".utf8) }
  }
}
