import Checkpoints

/// Finds a network's head by name: its pooling exponent, whitening and classifier, which may be inside the trunk's
/// module or in any module around it.
enum HeadSearch {
  /// Common names of a classifier, or of the module that holds it.
  static let classifierNames: Set<String> = [
    "classifier", "fc", "last_linear", "head", "heads", "linear", "logits", "cls", "cls_head", "classification_head",
    "fc_cls", "dense", "final", "output", "output_layer", "out", "_fc",
  ]

  /// Whether a path, relative to a module around the trunk, is that of a GeM exponent.
  static func isExponent(_ parts: [String]) -> Bool {
    guard (2...4).contains(parts.count), parts.last == "p" else { return false }
    return parts.dropLast().contains { part in
      let part = part.lowercased()
      return part.contains("pool") || part.contains("gem") || part == "gap"
    }
  }

  static func isClassifier(_ parts: [String]) -> Bool {
    guard (2...4).contains(parts.count), let first = parts.first, let last = parts.last else { return false }
    return classifierNames.contains(first) && (last == "weight" || last == "bias")
  }

  static func isWhitening(_ parts: [String]) -> Bool { parts.starts(with: ["whitening", "pca"]) }

  private static func isHead(_ parts: [String]) -> Bool {
    isExponent(parts) || isClassifier(parts) || isWhitening(parts)
  }

  /// The dictionaries to read for a trunk, and the keys that lead to all of them. This is the trunk's dictionary,
  /// unless it has no head and one around it does, as in `{"backbone": {…}, "classifier": {…}}`.
  ///
  /// - Parameter floor: the keys of the outermost dictionary to look at.
  static func groups(
    of candidate: Candidate, floor: [String], _ groups: [CheckpointOutline.Group]
  ) -> (chosen: [Int], base: [String]) {
    let (home, path) = (candidate.group, candidate.path)
    let inner = floor.dropFirst(path.count).map { $0 + "." }.joined()
    let scopes = Scopes(prefix: candidate.trunk.prefix, floor: inner)
    if groups[home].names.contains(where: { scopes.innermost(of: $0).map { isHead($0.parts) } ?? false }) {
      return ([home], path)
    }
    for depth in stride(from: path.count - 1, through: floor.count, by: -1) {
      let base = Array(path.prefix(depth))
      let around = groups.indices.filter { groups[$0].path.starts(with: base) && $0 != home }
      let holdsHead = around.contains { index in
        let keys = Array(groups[index].path.dropFirst(depth))
        return keys.first != path[depth]
          && groups[index].names.contains { isHead(keys + $0.split(separator: ".").map(String.init)) }
      }
      if holdsHead {
        let others = around.filter { index in
          !groups[index].path.dropFirst(depth).contains { $0.contains("optim") }
            && groups[index].names.contains(where: isWeight)
        }
        return (([home] + others).sorted(), base)
      }
    }
    return ([home], path)
  }

  /// Whether a tensor's name is that of a layer's weights, rather than of training state.
  static func isWeight(_ name: String) -> Bool {
    let last = name.split(separator: ".").last.map(String.init) ?? name
    return weightNames.contains(last) || last.hasSuffix("_weight") || last.hasSuffix("_bias")
  }

  private static let weightNames: Set<String> = [
    "weight", "bias", "running_mean", "running_var", "gamma", "beta", "weight_g", "weight_v", "weight_orig", "kernel",
    "W", "scale", "original0", "original1", "p", "alpha",
  ]
}
