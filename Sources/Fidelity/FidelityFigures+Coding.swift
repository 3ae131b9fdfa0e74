/// The figures are encoded as members of an object that has others, too: a report, or the results at one size.
extension FidelityFigures: Codable {
  private enum CodingKeys: String, CodingKey {
    case images, drift, agreement, chance, float, int8
    case neighbors = "neighbours"
    case nearChance = "near_chance"
    case labelledImages = "labelled_images"
    case nonFiniteImages = "non_finite_images"
    case decisiveAgreement = "decisive_agreement"
    /// The earlier name of `decisiveAgreement`, written alongside it for tools that still read it.
    case clearAgreement = "clear_agreement"
    case top1Drop = "top1_drop"
    case top1DropInterval = "top1_drop_interval"
    case top1Changes = "top1_changes"
    case worstImages = "worst_images"
    case stoppedWhenDecided = "stopped_when_decided"
    case availableImages = "images_at_hand"
    case shareAboveMaxDriftUpper = "share_above_max_drift_upper"
    case outputsAreIdentical = "identical_outputs"
    case hasOneAnswer = "one_answer"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(images, forKey: .images)
    try container.encode(labelledImages, forKey: .labelledImages)
    try container.encode(nonFiniteImages, forKey: .nonFiniteImages)
    try container.encode(drift, forKey: .drift)
    try container.encode(agreement, forKey: .agreement)
    try container.encode(decisiveAgreement, forKey: .decisiveAgreement)
    try container.encode(decisiveAgreement, forKey: .clearAgreement)
    try container.encode(chance, forKey: .chance)
    try container.encode(chance.map { _ in isNearChance }, forKey: .nearChance)
    try container.encode(float, forKey: .float)
    try container.encode(int8, forKey: .int8)
    try container.encode(top1Drop, forKey: .top1Drop)
    try container.encode(top1DropInterval, forKey: .top1DropInterval)
    try container.encode(top1Changes, forKey: .top1Changes)
    try container.encode(neighbors, forKey: .neighbors)
    try container.encode(worstImages, forKey: .worstImages)
    if outputsAreIdentical { try container.encode(outputsAreIdentical, forKey: .outputsAreIdentical) }
    if hasOneAnswer { try container.encode(hasOneAnswer, forKey: .hasOneAnswer) }
    if let stop {
      try container.encode(true, forKey: .stoppedWhenDecided)
      try container.encode(stop.availableImages, forKey: .availableImages)
      try container.encode(stop.shareAboveMaxDriftUpper, forKey: .shareAboveMaxDriftUpper)
    }
  }

  private enum GateKeys: String, CodingKey {
    case gates
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let decisive = try container.decodeIfPresent(DecisiveAgreement.self, forKey: .decisiveAgreement)
    let clear = try container.decodeIfPresent(DecisiveAgreement.self, forKey: .clearAgreement)
    guard decisive == nil || clear == nil || decisive == clear else {
      throw DecodingError.dataCorruptedError(
        forKey: .clearAgreement, in: container, debugDescription: "the value differs from 'decisive_agreement'")
    }
    self.init(
      images: try container.decode(Int.self, forKey: .images),
      labelledImages: try container.decode(Int.self, forKey: .labelledImages),
      nonFiniteImages: try container.decode(Int.self, forKey: .nonFiniteImages),
      drift: try container.decode(DriftSummary.self, forKey: .drift),
      agreement: try container.decode(TopPercentages.self, forKey: .agreement),
      decisiveAgreement: decisive ?? clear,
      chance: try container.decodeIfPresent(Double.self, forKey: .chance),
      float: try container.decode(TopPercentages.self, forKey: .float),
      int8: try container.decode(TopPercentages.self, forKey: .int8),
      top1Drop: try container.decodeIfPresent(Double.self, forKey: .top1Drop),
      top1DropInterval: try container.decodeIfPresent(ConfidenceInterval.self, forKey: .top1DropInterval),
      top1Changes: try container.decodeIfPresent(Top1Changes.self, forKey: .top1Changes),
      worstImages: try container.decode([WorstImage].self, forKey: .worstImages),
      neighbors: try container.decodeIfPresent(NeighborFigures.self, forKey: .neighbors),
      outputsAreIdentical: try container.decodeIfPresent(Bool.self, forKey: .outputsAreIdentical) ?? false,
      hasOneAnswer: try container.decodeIfPresent(Bool.self, forKey: .hasOneAnswer) ?? false)
    guard try container.decodeIfPresent(Bool.self, forKey: .stoppedWhenDecided) ?? false else { return }
    // Intervals are stored once, with the gates.
    let gates = try decoder.container(keyedBy: GateKeys.self).decode([GateResult].self, forKey: .gates)
    stop = VerificationStop(
      availableImages: try container.decode(Int.self, forKey: .availableImages),
      shareAboveMaxDriftUpper: try container.decodeIfPresent(Double.self, forKey: .shareAboveMaxDriftUpper),
      intervals: Dictionary(
        gates.compactMap { gate in
          gate.intervalMethod == .confidenceSequence ? gate.interval.map { (gate.name, $0) } : nil
        }, uniquingKeysWith: { first, _ in first }))
  }
}
