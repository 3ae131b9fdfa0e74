import Suggestions

/// The tensors of a checkpoint's head, found by name in the modules around a trunk.
struct HeadParts {
  /// The names of the tensors that hold GeM exponents.
  private(set) var exponents: [String] = []
  /// The prefix of `pca_P` and `pca_m`; `nil` without whitening.
  private(set) var whitening: String?
  /// The path of the linear layer that computes the logits; `nil` without one.
  private(set) var classifier: String?
  /// The key prefix of the innermost module that holds both the trunk and the classifier.
  private(set) var classifierScope = ""
  /// Whether there is a classifier, even if it is left out.
  private(set) var hasClassifier = false
  /// The tensors of heads that are left out.
  private(set) var skipped: [String] = []
  /// The key prefix of the outermost module that has a part of the head; `nil` without a head.
  private(set) var outermostScope: String?
  /// Sentences for the report.
  private(set) var notes: [String] = []

  /// A linear layer that may be the classifier.
  private struct Candidate {
    /// The path of the layer.
    var module: String
    /// The path of the head: the first module below `scope` on the way to the layer.
    var head: String
    /// The prefix of the innermost module that holds both the trunk and the head.
    var scope: String
  }

  /// Finds the parts.
  ///
  /// - Parameters:
  ///   - state: the tensors, after the trunk has taken its own.
  ///   - classifierName: the layer that the user names, "none", or `nil` to search for it.
  /// - Throws: `ImportError.variant` for a head of several linear layers; `.option` where several layers may be the
  ///   classifier, or the one that the user names does not exist.
  init(
    in state: StateDictionary, _ scopes: Scopes, classifierName: String?, architecture: String
  ) throws(ImportError) {
    var candidates: [Candidate] = []
    var modules: Set<String> = []
    for name in state.untaken {
      guard let (scope, parts) = scopes.innermost(of: name) else { continue }
      if HeadSearch.isExponent(parts) {
        exponents.append(name)
        widen(to: scope)
      } else if HeadSearch.isWhitening(parts) {
        whitening = "\(scope)whitening.pca."
        widen(to: scope)
      } else if let module = Self.linearModule(name, parts, state, anyName: classifierName != nil) {
        if modules.insert(module).inserted {
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
    let untaken = state.untaken
    for head in heads.withoutRepetitions {
      skipped += untaken.filter { $0.hasPrefix(head + ".") }
      notes.append("the head '\(head)' is left out")
    }
  }

  /// The path of the linear layer that a tensor may belong to; `nil` if it cannot be one. The weight of a norm is told
  /// apart by its rank of 1.
  private static func linearModule(
    _ name: String, _ parts: [String], _ state: StateDictionary, anyName: Bool
  ) -> String? {
    guard anyName ? parts.count >= 2 : HeadSearch.isClassifier(parts) else { return nil }
    // By bytes: a step backwards over flags goes to the first of them.
    let module = String(decoding: name.utf8.dropLast(parts[parts.count - 1].utf8.count + 1), as: UTF8.self)
    if parts.last == "weight", state.shape(name)?.rank != 1 { return module }
    // A bias without a weight is reported as a classifier whose weight is missing.
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
    // MultiGrain's checkpoints also hold the classifier that the trunk was pretrained with, inside the trunk's module.
    let inner = candidates.filter { $0.scope == trunk }
    if trunk.hasSuffix("base_net."), inner.count < candidates.count {
      leaveOut(inner.map(\.head), state)
      candidates.removeAll { $0.scope == trunk }
    }
    let heads = candidates.map(\.head).withoutRepetitions
    let layers = candidates.map { "'\($0.module)'" }.joined(separator: ", ")
    guard heads.count <= 1 else {
      throw .option("several layers may be the classifier: \(layers); name one, or none, with --logits-output")
    }
    guard candidates.count <= 1 else {
      throw .variant(
        architecture: architecture,
        problem:
          "its head '\(heads[0])' has \(candidates.count) linear layers (\(layers)), which is not a classifier on the "
          + "embedding; leave it out with --logits-output none")
    }
    if let classifier = candidates.first { take(classifier) }
  }
}
