/// The tensors of a head among a checkpoint's, found by name in the modules around a trunk.
struct HeadParts {
  /// GeM exponents.
  private(set) var exponents: [String] = []
  /// What stands before `pca_P`.
  private(set) var whitening: String?
  /// The module of the linear layer that makes the logits, and what stands before its name.
  private(set) var classifier: String?
  private(set) var classifierScope = ""
  /// Whether there is a classifier, even if it is left out.
  private(set) var hasClassifier = false
  /// Tensors of heads that the user leaves out.
  private(set) var skipped: [String] = []
  /// What stands before the keys of the outermost module that has a part of the head; `nil` without a head.
  private(set) var outermostScope: String?
  private(set) var notes: [String] = []

  /// A linear layer, and the module of the trunk's surroundings that it belongs to.
  private struct Candidate {
    var module: String
    var head: String
    var scope: String
  }

  /// - Parameters:
  ///   - state: after the trunk has taken its tensors.
  ///   - classifierName: the layer that the user names, or "none".
  /// - Throws: `ImportError.variant` for a head of several linear layers; `.option` where several layers may be the
  ///   classifier, or the user's is not there.
  init(
    in state: StateDictionary, _ scopes: Scopes, classifierName: String?, architecture: String
  ) throws(ImportError) {
    var candidates: [Candidate] = []
    for name in state.untaken {
      guard let (scope, parts) = scopes.innermost(of: name) else { continue }
      if HeadSearch.isExponent(parts) {
        exponents.append(name)
        widen(to: scope)
      } else if HeadSearch.isWhitening(parts) {
        whitening = "\(scope)whitening.pca."
        widen(to: scope)
      } else if let module = Self.linearModule(name, parts, state, anyName: classifierName != nil) {
        if !candidates.contains(where: { $0.module == module }) {
          candidates.append(Candidate(module: module, head: scope + parts[0], scope: scope))
        }
      }
    }
    let usual = candidates.filter { HeadSearch.classifierNames.contains(String($0.head.dropFirst($0.scope.count))) }
    hasClassifier = !usual.isEmpty
    if classifierName == "none" {
      leaveOut(usual.map(\.head), state)
    } else if let classifierName {
      try choose(classifierName, candidates)
      leaveOut(usual.map(\.head).filter { head in classifier.map { !$0.hasPrefix(head) } ?? true }, state)
    } else {
      try chooseOnly(of: usual, trunk: scopes.prefixes[0], architecture: architecture, state)
    }
  }

  private mutating func widen(to scope: String) {
    if outermostScope.map({ scope.count < $0.count }) ?? true { outermostScope = scope }
  }

  private mutating func take(_ candidate: Candidate) {
    (classifier, classifierScope) = (candidate.module, candidate.scope)
    hasClassifier = true
    widen(to: candidate.scope)
    notes.append("the logits are those of the layer '\(candidate.module)'")
  }

  private mutating func leaveOut(_ heads: [String], _ state: StateDictionary) {
    for head in heads.reduce(into: [String](), { if !$0.contains($1) { $0.append($1) } }) {
      skipped += state.untaken.filter { $0.hasPrefix(head + ".") }
      notes.append("the head '\(head)' is left out")
    }
  }

  /// The module whose weight a name is, if that may be a linear layer's: a vector is the scale of a norm.
  private static func linearModule(
    _ name: String, _ parts: [String], _ state: StateDictionary, anyName: Bool
  ) -> String? {
    guard anyName ? parts.count >= 2 : HeadSearch.isClassifier(parts) else { return nil }
    let module = String(name.dropLast(parts[parts.count - 1].count + 1))
    if parts.last == "weight", state.shape(name)?.rank != 1 { return module }
    // A bias alone is a classifier whose weight is missing.
    return parts.last == "bias" && parts.count == 2 && !state.contains("\(module).weight") ? module : nil
  }

  private mutating func choose(_ name: String, _ candidates: [Candidate]) throws(ImportError) {
    let found = candidates.filter { $0.module == name || $0.module.hasSuffix(".\(name)") }
    guard found.count == 1 else {
      let names = (found.isEmpty ? candidates : found).map { "'\($0.module)'" }.joined(separator: ", ")
      throw .option(
        "--logits-output \(name) names \(found.isEmpty ? "no layer" : "\(found.count) layers") outside of the trunk"
          + (names.isEmpty ? "" : found.isEmpty ? "; there are \(names)" : ": \(names)"))
    }
    take(found[0])
  }

  private mutating func chooseOnly(
    of candidates: [Candidate], trunk: String, architecture: String, _ state: StateDictionary
  ) throws(ImportError) {
    var candidates = candidates
    // MultiGrain stores the trunk's own classifier a second time, inside of the trunk.
    let inner = candidates.filter { $0.scope == trunk }
    if trunk.hasSuffix("base_net."), inner.count < candidates.count {
      leaveOut(inner.map(\.head), state)
      candidates.removeAll { $0.scope == trunk }
    }
    let heads = candidates.reduce(into: [String]()) { if !$0.contains($1.head) { $0.append($1.head) } }
    let layers = candidates.map { "'\($0.module)'" }.joined(separator: ", ")
    guard heads.count <= 1 else {
      throw .option("several layers may be the classifier: \(layers); name one, or none, with --logits-output")
    }
    guard candidates.count <= 1 else {
      throw .variant(
        architecture: architecture,
        problem:
          "its head '\(heads[0])' has \(candidates.count) linear layers (\(layers)), which is no classifier on the "
          + "embedding; leave it out with --logits-output none")
    }
    if let classifier = candidates.first { take(classifier) }
  }
}
