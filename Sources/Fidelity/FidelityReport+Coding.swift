/// The JSON form `quern.fidelity/1`.
///
/// A figure that does not exist (accuracy without labels, drift without images) is null, and so is a number that is NaN
/// or infinite. Reports of earlier versions lack intervals, standard deviations, the verdicts of gates and decisive
/// agreement, and can still be read. `package`, `reference.path`, `seconds` and `peak_rss_bytes` are absent from a
/// report stored inside a package.
///
/// Where a package serves several sizes, the figures and gates of the report itself are those of the first size,
/// `sizes` has those of every size including the first, and `passed` applies to all of them. `sizes` is absent for a
/// single size, and `notes` where there are none. `warnings` and `assumptions` are arrays, which may be empty. Members
/// that earlier versions did not write are read as absent.
extension FidelityReport: Codable {
  private enum CodingKeys: String, CodingKey {
    case schema, passed, verdict, strict, sizes, notes, warnings, assumptions, calibration, verification, gates, package
    case reference, settings, seconds, inference, baseline, configuration, signature
    case contentHash = "content_hash"
    case foreignFigures = "foreign_figures"
    case toolVersion = "tool_version"
    case referenceCheck = "reference_check"
    case skippedImages = "skipped_images"
    case peakResidentBytes = "peak_rss_bytes"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.schema, forKey: .schema)
    try container.encodeIfPresent(toolVersion, forKey: .toolVersion)
    try container.encode(passed, forKey: .passed)
    try container.encode(verdict, forKey: .verdict)
    if isStrict { try container.encode(isStrict, forKey: .strict) }
    try figures.encode(to: encoder)
    if !sizes.isEmpty { try container.encode(sizes, forKey: .sizes) }
    if !notes.isEmpty { try container.encode(notes, forKey: .notes) }
    try container.encode(allWarnings, forKey: .warnings)
    try container.encode(assumptions, forKey: .assumptions)
    try container.encodeIfPresent(calibration, forKey: .calibration)
    try container.encodeIfPresent(verification, forKey: .verification)
    try container.encode(skippedImages, forKey: .skippedImages)
    try container.encode(referenceCheck, forKey: .referenceCheck)
    try container.encodeIfPresent(baseline, forKey: .baseline)
    try container.encode(commonGates + gates, forKey: .gates)
    try container.encodeIfPresent(package, forKey: .package)
    try container.encodeIfPresent(contentHash, forKey: .contentHash)
    if !foreignFigures.isEmpty { try container.encode(foreignFigures, forKey: .foreignFigures) }
    try container.encodeIfPresent(signature, forKey: .signature)
    try container.encode(reference, forKey: .reference)
    try container.encodeIfPresent(inference, forKey: .inference)
    try container.encodeIfPresent(configuration, forKey: .configuration)
    try container.encode(settings, forKey: .settings)
    if !seconds.isEmpty {
      try container.encode(seconds.mapValues(JSONValue.number), forKey: .seconds)
    }
    try container.encodeIfPresent(peakResidentBytes, forKey: .peakResidentBytes)
  }

  /// - Throws: `DecodingError`, including for another schema, for a verdict that the gates contradict, and for figures
  ///   that contradict each other (`checkConsistency`).
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    let schema = try container.decode(String.self, forKey: .schema)
    guard schema == Self.schema else {
      throw DecodingError.dataCorruptedError(
        forKey: .schema, in: container, debugDescription: "expected \(Self.schema), found \(schema)")
    }
    figures = try FidelityFigures(from: decoder)
    sizes = try container.decodeIfPresent([SizeFidelity].self, forKey: .sizes) ?? []
    notes = try container.decodeIfPresent([String].self, forKey: .notes) ?? []
    assumptions = try container.decodeIfPresent([String].self, forKey: .assumptions) ?? []
    toolVersion = try container.decodeIfPresent(String.self, forKey: .toolVersion)
    calibration = try container.decodeIfPresent(ImageSet.self, forKey: .calibration)
    verification = try container.decodeIfPresent(VerificationSet.self, forKey: .verification)
    isStrict = try container.decodeIfPresent(Bool.self, forKey: .strict) ?? false
    skippedImages = try container.decode([SkippedImage].self, forKey: .skippedImages)
    referenceCheck = try container.decodeIfPresent(ReferenceCheck.self, forKey: .referenceCheck)
    baseline = try container.decodeIfPresent(BaselineComparison.self, forKey: .baseline)
    configuration = try container.decodeIfPresent(Configuration.self, forKey: .configuration)
    // The common gates follow from `referenceCheck` and `baseline`.
    gates = try container.decode([GateResult].self, forKey: .gates)
      .filter { ![.reference, .regression].contains($0.name) }
    package = try container.decodeIfPresent(Package.self, forKey: .package)
    contentHash = try container.decodeIfPresent(String.self, forKey: .contentHash)
    foreignFigures = try container.decodeIfPresent([String].self, forKey: .foreignFigures) ?? []
    signature = try container.decodeIfPresent(Signature.self, forKey: .signature)
    reference = try container.decode(Reference.self, forKey: .reference)
    settings = try container.decode([String: JSONValue].self, forKey: .settings)
    inference = try container.decodeIfPresent(InferenceCost.self, forKey: .inference)
    seconds = (try container.decodeIfPresent([String: Double?].self, forKey: .seconds) ?? [:]).compactMapValues(\.self)
    peakResidentBytes = try container.decodeIfPresent(Int.self, forKey: .peakResidentBytes)
    do throws(ReportContradiction) { try checkConsistency() } catch {
      throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: error.reason))
    }
    guard [passed, earlierPassed].contains(try container.decode(Bool.self, forKey: .passed)) else {
      throw DecodingError.dataCorruptedError(
        forKey: .passed, in: container, debugDescription: "the verdict is not that of the gates")
    }
    let stated = try container.decodeIfPresent(GateResult.Verdict.self, forKey: .verdict) ?? verdict
    guard [verdict, earlierVerdict].contains(stated) else {
      throw DecodingError.dataCorruptedError(
        forKey: .verdict, in: container, debugDescription: "the verdict is not that of the gates and the images")
    }
    // Warnings that follow from the figures are derived again.
    let measured = measuredWarnings
    warnings = (try container.decodeIfPresent([String].self, forKey: .warnings) ?? []).filter { !measured.contains($0) }
    if let first = sizes.first, first.figures != figures || first.gates != gatesOfFigures {
      throw DecodingError.dataCorruptedError(
        forKey: .sizes, in: container, debugDescription: "the first size's figures are not those of the report")
    }
  }
}

extension GateResult: Codable {
  private enum CodingKeys: String, CodingKey {
    case name, value, limit, passed, interval, verdict
    case defaultLimit = "loosened_from"
    case neededImages = "needed_images"
    case intervalMethod = "interval_method"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(name, forKey: .name)
    try container.encode(value, forKey: .value)
    try container.encode(limit, forKey: .limit)
    try container.encodeIfPresent(loosenedFrom, forKey: .defaultLimit)
    try container.encode(passed, forKey: .passed)
    try container.encode(interval, forKey: .interval)
    try container.encodeIfPresent(intervalMethod, forKey: .intervalMethod)
    try container.encode(verdict, forKey: .verdict)
    try container.encode(neededImages, forKey: .neededImages)
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      name: try container.decode(GateName.self, forKey: .name),
      value: try container.decodeIfPresent(Double.self, forKey: .value),
      limit: try container.decode(Double.self, forKey: .limit),
      interval: try container.decodeIfPresent(ConfidenceInterval.self, forKey: .interval),
      intervalMethod: try container.decodeIfPresent(IntervalMethod.self, forKey: .intervalMethod),
      neededImages: try container.decodeIfPresent(Int.self, forKey: .neededImages))
    guard try container.decode(Bool.self, forKey: .passed) == passed else {
      throw DecodingError.dataCorruptedError(
        forKey: .passed, in: container, debugDescription: "the outcome is not that of value and limit")
    }
    guard try container.decodeIfPresent(Verdict.self, forKey: .verdict) ?? verdict == verdict else {
      throw DecodingError.dataCorruptedError(
        forKey: .verdict, in: container, debugDescription: "the verdict is not that of interval and limit")
    }
  }
}
