/// The outcome of comparing the float network with outputs that its framework computed.
package struct ReferenceCheck: Hashable, Sendable {
  /// The largest differences that pass.
  package struct Tolerances: Hashable, Sendable {
    /// The difference between elements of normalised embeddings.
    package var embedding: Double
    /// The difference between logits, as a share of the framework's largest |logit|.
    package var logits: Double

    package init(embedding: Double = 1e-5, logits: Double = 1e-4) {
      self.embedding = embedding
      self.logits = logits
    }

    /// The share of these tolerances that the defaults allow: the lower one, where both are looser than their
    /// defaults; nil where neither is.
    fileprivate var defaultShare: Double? {
      let standard = Tolerances()
      return [(standard.embedding, embedding), (standard.logits, logits)].filter { $0.0 < $0.1 }.map { $0.0 / $0.1 }
        .min()
    }

    /// Such as "; allowed are 0.001 and logits 0.001 (defaults 1e-05 and 1e-04)"; empty where neither is looser than
    /// its default.
    fileprivate var looseness: String {
      let standard = Tolerances()
      guard embedding > standard.embedding || logits > standard.logits else { return "" }
      return "; allowed are \(shortNumber(embedding)) and logits \(shortNumber(logits)) (defaults "
        + "\(shortNumber(standard.embedding)) and \(shortNumber(standard.logits)))"
    }
  }

  /// The largest differences over a set of rows; nil for an output that was not compared. A difference is infinite
  /// where either side is not finite; reports write null for it.
  package struct Differences: Hashable, Sendable {
    /// The difference of an element of the normalised embeddings.
    package var embedding: Double?
    /// The difference of a logit, as a share of the framework's largest |logit|.
    package var logits: Double?

    package init(embedding: Double?, logits: Double?) {
      self.embedding = embedding
      self.logits = logits
    }

    /// The larger of the two differences, each as a share of its tolerance; nil where nothing was compared.
    func share(of tolerances: Tolerances) -> Double? {
      func share(_ value: Double?, _ limit: Double) -> Double? {
        value.map { $0 == 0 ? 0 : limit > 0 ? $0 / limit : .infinity }
      }
      let shares = [share(embedding, tolerances.embedding), share(logits, tolerances.logits)].compactMap { $0 }
      return shares.contains { $0.isNaN } ? .infinity : shares.max()
    }

    /// Whether something was compared and all of it is within the tolerances.
    package func passes(_ tolerances: Tolerances) -> Bool { share(of: tolerances).map { $0 <= 1 } ?? false }
  }

  /// The framework's name and version, such as "PyTorch 2.15".
  package let framework: String
  /// The number of images compared, or of input tensors where there were no images.
  package let images: Int
  /// The number of images that the framework's outputs refer to and that were not found.
  package let missingImages: Int
  /// The differences on the images, preprocessed by this tool.
  package let differences: Differences
  /// The differences on the input tensors of the framework's network; nil where these are not known.
  package let onInput: Differences?
  /// The largest differences that pass.
  package let tolerances: Tolerances
  /// Whether images were compared and all differences are within the tolerances.
  package let passed: Bool
  /// Explanations of a difference, and remarks on a success, in sentences.
  package var findings: [String]

  /// - Parameter images: the number of images compared with the default preprocessing, or none where there is only
  ///   `onInput`.
  package init(
    framework: String, images: Int, missingImages: Int = 0, differences: Differences, onInput: Differences? = nil,
    tolerances: Tolerances, findings: [String] = []
  ) {
    self.framework = framework
    self.images = images
    self.missingImages = missingImages
    self.differences = differences
    self.onInput = onInput
    self.tolerances = tolerances
    self.findings = findings
    passed = images > 0 && differences.passes(tolerances) && onInput?.passes(tolerances) ?? true
  }

  /// The largest of all differences as a share of its tolerance.
  var gate: GateResult {
    let shares = [differences, onInput].compactMap { $0?.share(of: tolerances) }
    // A value that a report cannot represent is not within any tolerance.
    let value = shares.max().flatMap { $0.isFinite && passed == ($0 <= 1) ? $0 : nil }
    return GateResult(.reference, value: value, limit: 1).loosened(from: tolerances.defaultShare)
  }

  /// Whether the network passes only because its tolerances are looser than the defaults.
  package var needsLooseTolerances: Bool {
    passed && [differences, onInput].contains { $0?.passes(Tolerances()) == false }
  }

  /// A warning where the network passes only because of its tolerances; nil otherwise.
  var looseWarning: String? {
    guard needsLooseTolerances else { return nil }
    let found = [differences, onInput].compactMap(\.self).map { Self.described($0) }
    return "the float network matches \(framework) only because the tolerances are looser than their defaults: "
      + "it differs by " + found.joined(separator: ", and on the framework's input by ") + tolerances.looseness
  }

  /// One sentence, such as "checked against PyTorch 2.15 on 64 images: at most 3e-07, logits 2e-06 of the largest".
  package var summary: String {
    let kind = "\(images) image\(images == 1 ? "" : "s")"
    let missing =
      (missingImages == 0 ? "" : "; \(missingImages) more \(missingImages == 1 ? "was" : "were") not found")
      + tolerances.looseness
    if passed { return "checked against \(framework) on \(kind): at most \(Self.described(differences))\(missing)" }
    let input =
      onInput.map {
        $0.passes(tolerances) ? "" : "; on the framework's input \(Self.described($0, allowed: tolerances))"
      } ?? ""
    return "does not match \(framework) on \(kind): differences of "
      + Self.described(differences, allowed: tolerances) + input + missing
  }

  /// Such as "3e-07, logits 2e-06 of the largest", or with tolerances "0.3 (allowed: 1e-05), …".
  package static func described(_ differences: Differences, allowed: Tolerances? = nil) -> String {
    func limit(_ value: Double?) -> String { value.map { " (allowed: \(shortNumber($0)))" } ?? "" }
    let parts = [
      differences.embedding.map { shortNumber($0) + limit(allowed?.embedding) },
      differences.logits.map {
        ($0.isFinite ? "logits \(shortNumber($0)) of the largest" : "logits that are not finite")
          + limit(allowed?.logits)
      },
    ].compactMap { $0 }
    return parts.isEmpty ? "values that are not finite" : parts.joined(separator: ", ")
  }
}

extension ReferenceCheck: Codable {
  private enum CodingKeys: String, CodingKey {
    case framework, images, passed, findings
    case missingImages = "missing_images"
    case embeddingMax = "embedding_max"
    case logitsMax = "logits_max"
    case inputEmbeddingMax = "input_embedding_max"
    case inputLogitsMax = "input_logits_max"
    case embeddingLimit = "embedding_limit"
    case logitsLimit = "logits_limit"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    func finite(_ value: Double?) -> Double? { value.flatMap { $0.isFinite ? $0 : nil } }
    try container.encode(framework, forKey: .framework)
    try container.encode(images, forKey: .images)
    try container.encode(missingImages, forKey: .missingImages)
    try container.encode(finite(differences.embedding), forKey: .embeddingMax)
    try container.encode(finite(differences.logits), forKey: .logitsMax)
    if let onInput {
      try container.encode(finite(onInput.embedding), forKey: .inputEmbeddingMax)
      try container.encode(finite(onInput.logits), forKey: .inputLogitsMax)
    }
    try container.encode(tolerances.embedding, forKey: .embeddingLimit)
    try container.encode(tolerances.logits, forKey: .logitsLimit)
    try container.encode(passed, forKey: .passed)
    if !findings.isEmpty { try container.encode(findings, forKey: .findings) }
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    framework = try container.decode(String.self, forKey: .framework)
    images = try container.decode(Int.self, forKey: .images)
    missingImages = try container.decodeIfPresent(Int.self, forKey: .missingImages) ?? 0
    differences = Differences(
      embedding: try container.decodeIfPresent(Double.self, forKey: .embeddingMax),
      logits: try container.decodeIfPresent(Double.self, forKey: .logitsMax))
    onInput =
      container.contains(.inputEmbeddingMax) || container.contains(.inputLogitsMax)
      ? Differences(
        embedding: try container.decodeIfPresent(Double.self, forKey: .inputEmbeddingMax),
        logits: try container.decodeIfPresent(Double.self, forKey: .inputLogitsMax)) : nil
    tolerances = Tolerances(
      embedding: try container.decode(Double.self, forKey: .embeddingLimit),
      logits: try container.decode(Double.self, forKey: .logitsLimit))
    passed = try container.decode(Bool.self, forKey: .passed)
    findings = try container.decodeIfPresent([String].self, forKey: .findings) ?? []
  }
}

extension FidelityReport {
  /// A report of a float network that does not match its framework, so that nothing else was measured.
  package init(stoppedBy check: ReferenceCheck, reference: Reference, settings: [String: JSONValue] = [:]) {
    self.init(figures: FidelityAccumulator().figures(), gates: [], reference: reference, settings: settings)
    referenceCheck = check
  }

  /// Whether nothing was measured because the float network does not match its framework.
  package var isStopped: Bool { figures.images == 0 && referenceCheck?.passed == false }

  /// How the float network compares with its framework, in a sentence; nil where no network was run.
  package var referenceSentence: String? {
    if let referenceCheck { return referenceCheck.summary }
    return comparesStoredOutputs ? nil : "the float network was not checked against its framework (see 'quern golden')"
  }
}
