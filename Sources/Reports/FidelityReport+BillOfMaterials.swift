import Fidelity

extension FidelityReport {
  /// What the package consists of and how well it does: a bill of materials by CycloneDX 1.6 with a model card
  /// (https://cyclonedx.org/docs/1.6/json/), as formats/report.md describes it. The same conversion gives the same
  /// bytes, unless a time is to be stated.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  func billOfMaterials() throws -> String {
    try jsonDocument(
      JSONValue.compact([
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.6",
        "version": 1, "serialNumber": .optional(serialNumber),
        "metadata": .compact([
          "timestamp": .optional(statedTime),
          "tools": [
            "components": [.compact(["type": "application", "name": "quern", "version": .optional(toolVersion)])]
          ],
          "component": component,
        ]),
      ]))
  }

  /// A UUID of version 8 (RFC 9562), made of the package's hash.
  private var serialNumber: String? {
    guard let digits = package?.sha256, digits.utf8.count == 64, digits.utf8.allSatisfy({ $0 < 0x80 }) else {
      return nil
    }
    func part(_ start: Int, _ count: Int) -> Substring { digits.dropFirst(start).prefix(count) }
    return "urn:uuid:\(part(0, 8))-\(part(8, 4))-8\(part(13, 3))-8\(part(17, 3))-\(part(20, 12))"
  }

  private var component: JSONValue {
    .compact([
      "type": "machine-learning-model", "bom-ref": "package", "name": .string(packageName),
      "description": .string("\(reference.architecture) for image embedding, quantised to int8"),
      "hashes": .array([Self.hash(package?.sha256)].compactMap(\.self)), "licenses": licenses, "modelCard": card,
      "pedigree": [
        "ancestors": [
          .compact([
            "type": "machine-learning-model", "bom-ref": "checkpoint", "name": .string(reference.name ?? "checkpoint"),
            "hashes": .array([Self.hash(reference.sha256)].compactMap(\.self)),
          ])
        ]
      ],
      "properties": .array(
        properties.map { name, value in ["name": .string("quern:\(name)"), "value": .string(value)] }),
    ])
  }

  private static func hash(_ sha256: String?) -> JSONValue? {
    sha256.map { ["alg": "SHA-256", "content": .string($0)] }
  }

  private var licenses: JSONValue {
    if let expression = build?.licenseExpression { return [["expression": .string(expression)]] }
    guard let text = build?.licenseText else { return .null }
    return [["license": ["name": "of the weights", "text": ["contentType": "text/plain", "content": .string(text)]]]]
  }

  private var properties: [(String, String)] {
    var properties = [("verdict", verdict.rawValue), ("checkpoint_format", reference.format)]
    if let contentHash { properties.append(("content_hash", contentHash)) }
    if let plan = build?.planSHA256 { properties.append(("plan_sha256", plan)) }
    return properties + inputFiles.map { ("\($0.role) \($0.name)", "sha256 \($0.sha256)") }
  }

  private var card: JSONValue {
    let outputs =
      ["normalized embedding of \(build?.embeddingDimension ?? 0) elements"]
      + ((build?.classCount ?? 0) > 0 ? ["logits of \(build?.classCount ?? 0) classes"] : [])
    return [
      "modelParameters": .compact([
        "task": "image embedding", "modelArchitecture": .string(reference.architecture),
        "datasets": .array(
          imageSets.map { role, set in
            [
              "type": "dataset", "name": .string("\(role): \(set.name)"),
              "contents": [
                "properties": [
                  ["name": "quern:images", "value": .string("\(set.images)")],
                  ["name": "quern:image_set_sha256", "value": .string(set.sha256)],
                ]
              ],
            ]
          }),
        "inputs": [["format": "image"]], "outputs": .array(outputs.map { ["format": .string($0)] }),
      ]),
      "quantitativeAnalysis": ["performanceMetrics": .array(parts.flatMap(metrics))],
      "considerations": .compact([
        "technicalLimitations": allWarnings.isEmpty ? .null : .array(allWarnings.map(JSONValue.string))
      ]),
    ]
  }

  private func metrics(_ part: ReportPart) -> [JSONValue] {
    let figures = part.figures
    let agreement = figures.neighbors?.lowerAgreement
    let values: [(String, Double?, ConfidenceInterval?)] = [
      ("mean drift", figures.drift.mean, figures.drift.meanInterval), ("max drift", figures.drift.max, nil),
      ("top-1 agreement in percent", figures.agreement.top1, figures.agreement.top1Interval),
      (
        "decisive agreement in percent", figures.decisiveAgreement?.top1, figures.decisiveAgreement?.top1Interval
      ),
      ("top-1 drop in percentage points", figures.top1Drop, figures.top1DropInterval),
      ("float top-1 in percent", figures.float.top1, figures.float.top1Interval),
      ("int8 top-1 in percent", figures.int8.top1, figures.int8.top1Interval),
      ("neighbour agreement in percent", agreement?.top1, agreement?.top1Interval),
    ]
    let slice = (part.size.map { "\($0.title), " } ?? "") + "\(figures.images) images"
    return values.compactMap { name, value, interval in
      guard let value, value.isFinite else { return nil }
      return .compact([
        "type": .string(name), "value": .string("\(value)"), "slice": .string(slice),
        "confidenceInterval": interval.map {
          ["lowerBound": .string("\($0.low)"), "upperBound": .string("\($0.high)")]
        } ?? .null,
      ])
    }
  }
}
