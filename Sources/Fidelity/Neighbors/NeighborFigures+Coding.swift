// Encoding is written out, because the synthesised forms omit nil, which reports show as null.

extension NeighborFigures {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(images, forKey: .images)
    try container.encode(minGap, forKey: .minGap)
    try container.encode(nearTies, forKey: .nearTies)
    try container.encodeIfPresent(copies, forKey: .copies)
    try container.encodeIfPresent(medianDistance, forKey: .medianDistance)
    try container.encode(int8InFloat, forKey: .int8InFloat)
    try container.encode(int8InInt8, forKey: .int8InInt8)
    try container.encode(classes, forKey: .classes)
    try container.encode(decisions, forKey: .decisions)
  }
}

extension NeighborAgreement {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(top1, forKey: .top1)
    try container.encode(top1Interval, forKey: .top1Interval)
    try container.encode(decisive, forKey: .decisive)
    try container.encode(decisiveInterval, forKey: .decisiveInterval)
  }
}

extension ClassRetrieval.Figures {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(recallAt1, forKey: .recallAt1)
    try container.encode(recallAt1Interval, forKey: .recallAt1Interval)
    try container.encode(map, forKey: .map)
    try container.encode(mapInterval, forKey: .mapInterval)
  }
}

extension DecisionFigures {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(threshold, forKey: .threshold)
    try container.encode(givenFalseMatchRate, forKey: .givenFalseMatchRate)
    try container.encode(floatMatches, forKey: .floatMatches)
    try container.encode(floatFalseMatchRate, forKey: .floatFalseMatchRate)
    try container.encode(int8InFloat, forKey: .int8InFloat)
    try container.encode(int8InInt8, forKey: .int8InInt8)
  }
}

extension DecisionFigures.Changes {
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(pairs, forKey: .pairs)
    try container.encode(lost, forKey: .lost)
    try container.encode(gained, forKey: .gained)
    try container.encode(flipped, forKey: .flipped)
    try container.encode(falseMatchRate, forKey: .falseMatchRate)
  }

  /// - Throws: `DecodingError` for missing members or wrong types, and for numbers that no pairs have.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      pairs: try container.decode(Int.self, forKey: .pairs), lost: try container.decode(Int.self, forKey: .lost),
      gained: try container.decode(Int.self, forKey: .gained),
      falseMatchRate: try container.decodeIfPresent(Double.self, forKey: .falseMatchRate))
    // Also keeps the sum of both from overflowing.
    guard min(pairs, lost, gained) >= 0, lost <= pairs, gained <= pairs - lost else {
      throw DecodingError.dataCorruptedError(
        forKey: .pairs, in: container, debugDescription: "more pairs changed than were compared")
    }
  }
}
