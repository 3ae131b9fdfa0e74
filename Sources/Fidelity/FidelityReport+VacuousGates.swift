import ReportRules

/// Gates that pass for a network that does not tell the images apart.
extension FidelityReport {
  /// Short reasons why gates could hardly have failed.
  var vacuousGateDoubts: [String] {
    var doubts: [String] = []
    if parts.contains(where: { $0.alikeWarning != nil }) { doubts.append(Doubt.alikeEmbeddings) }
    if parts.contains(where: { $0.oneAnswerWarning != nil }) { doubts.append(Doubt.oneAnswer) }
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
  /// The first of some gates that a network which tells no images apart would pass.
  private func vacuousGate(_ names: GateName...) -> GateResult? {
    gates.first {
      names.contains($0.name)
        && $0.name.isVacuous(
          limit: $0.limit, medianDistance: figures.neighbors?.medianDistance, hasOneAnswer: figures.hasOneAnswer)
    }
  }

  /// Where the reference's embeddings of different images differ by no more than the gate on mean drift allows: one
  /// that belongs to another image would pass, too.
  fileprivate var alikeWarning: String? {
    guard let gate = vacuousGate(.meanDrift), let distance = figures.neighbors?.medianDistance else { return nil }
    return "the float network's embeddings of different images differ by a median of \(shortNumber(distance)), and the "
      + "gate allows a mean drift of \(shortest(gate.limit)): the embedding of another image would pass, too; check the "
      + "checkpoint and the normalisation, or lower --max-mean-drift"
  }

  /// Where agreement is gated by a limit that a network with one answer for everything would keep.
  fileprivate var oneAnswerWarning: String? {
    guard vacuousGate(.top1Agreement, .decisiveAgreement) != nil else { return nil }
    return "the float network gives all \(figures.images) images the same class, so that a network that always answers "
      + "with it agrees, too; give images of several classes, or check the classifier"
  }
}
