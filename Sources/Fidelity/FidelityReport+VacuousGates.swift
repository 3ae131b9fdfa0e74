/// Gates that pass for a network that does not tell the images apart.
extension FidelityReport {
  /// Short reasons why gates could hardly have failed.
  var vacuousGateDoubts: [String] {
    var doubts: [String] = []
    if parts.contains(where: \.hasAlikeEmbeddings) { doubts.append(Doubt.alikeEmbeddings) }
    if parts.contains(where: \.hasOneGatedAnswer) { doubts.append("one class for all images") }
    return doubts
  }

  /// The same in sentences.
  var vacuousGateWarnings: [String?] {
    parts.flatMap { part in
      [part.alikeWarning, part.oneAnswerWarning].map { warning in
        warning.map { (part.size.map { "at \($0.title): " } ?? "") + $0 }
      }
    }
  }
}

extension ReportPart {
  private func gate(_ name: GateName) -> GateResult? { gates.first { $0.name == name } }

  /// Whether the reference's embeddings of different images differ by no more than the gate on mean drift allows: one
  /// that belongs to another image would pass, too.
  fileprivate var hasAlikeEmbeddings: Bool {
    guard let distance = figures.neighbors?.medianDistance, let gate = gate(.meanDrift) else { return false }
    return distance <= min(gate.limit, NeighborFigures.smallDistance)
  }

  fileprivate var alikeWarning: String? {
    guard hasAlikeEmbeddings, let distance = figures.neighbors?.medianDistance, let gate = gate(.meanDrift) else {
      return nil
    }
    return "the float network's embeddings of different images differ by a median of \(shortNumber(distance)), and the "
      + "gate allows a mean drift of \(shortest(gate.limit)): the embedding of another image would pass, too; check the "
      + "checkpoint and the normalisation, or lower --max-mean-drift"
  }

  /// Whether agreement is gated by a limit that a network with one answer for everything would keep.
  fileprivate var hasOneGatedAnswer: Bool {
    figures.hasOneAnswer && gates.contains { [.top1Agreement, .decisiveAgreement].contains($0.name) && $0.limit > 0 }
  }

  fileprivate var oneAnswerWarning: String? {
    guard hasOneGatedAnswer else { return nil }
    return "the float network gives all \(figures.images) images the same class, so that a network that always answers "
      + "with it agrees, too; give images of several classes, or check the classifier"
  }
}
