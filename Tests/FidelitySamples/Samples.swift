import Fidelity

/// SplitMix64 (Steele, Lea and Flood 2014).
package struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  package init(state: UInt64) { self.state = state }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

package func figures(of comparisons: [ImageComparison]) -> FidelityFigures {
  var accumulator = FidelityAccumulator()
  for comparison in comparisons { accumulator.add(comparison) }
  return accumulator.figures()
}

/// An image whose drift is about `drift`.
package func image(
  _ name: String, drift: Double, reference: [Float] = [], quantized: [Float] = [], label: Int? = nil
) throws -> ImageComparison {
  let cosine = 1 - drift
  return try ImageComparison(
    name: name, referenceEmbedding: [1, 0],
    quantizedEmbedding: [Float(cosine), Float((1 - cosine * cosine).squareRoot())],
    referenceLogits: reference, quantizedLogits: quantized, label: label)
}

/// Logits of six classes by falling rank.
package func logits(_ ranked: [Int]) -> [Float] {
  var logits = [Float](repeating: 0, count: 6)
  for (rank, label) in ranked.enumerated() {
    logits[label] = Float(6 - rank)
  }
  return logits
}

/// Logits of six classes, the first of which is another from one index to the next.
package func varied(_ index: Int) -> [Float] { logits((0..<6).map { (index + $0) % 6 }) }

package enum Sample {
  package static let nasty =
    "cats/<b>\"a&b\"</b> | `x` *y* _z_ [l](u) @me #1 ]]>\u{1B}[31m\u{0}\u{202E}\u{FFFE}\r\n'ü'.jpg"

  package static func comparisons() throws -> [ImageComparison] {
    let same = logits([0, 1, 2, 3, 4, 5])
    return try [
      image("cats/1.jpg", drift: 0.001, reference: same, quantized: same, label: 0),
      image("cats/2.jpg", drift: 0.002, reference: same, quantized: logits([0, 2, 1, 3, 4, 5]), label: 1),
      image("dogs/1.jpg", drift: 0.004, reference: same, quantized: logits([1, 0, 2, 3, 4, 5]), label: 0),
      image(
        "dogs/2.jpg", drift: 0.003, reference: logits([1, 0, 2, 3, 4, 5]), quantized: logits([5, 0, 2, 3, 4, 1]),
        label: nil),
      image(nasty, drift: 0.06, reference: same, quantized: same, label: 5),
    ]
  }

  package static func report(
    _ comparisons: [ImageComparison], gates: Gates? = nil, skipped: [FidelityReport.SkippedImage] = []
  ) throws -> FidelityReport {
    var report = FidelityReport(
      figures: figures(of: comparisons), gates: try gates ?? Gates(),
      package: .init(path: "out/resnet50.quern", bytes: 26_123_456, sha256: String(repeating: "ab", count: 32)),
      reference: .init(
        path: "resnet50 <new>.pth", sha256: String(repeating: "01", count: 32), format: "pytorch-zip",
        architecture: "resnet50"),
      settings: [
        "size": 224, "crop": "square", "pooling_exponent": 3.5, "labels": nil, "mean": [0.485, 0.456, 0.406],
      ],
      seconds: ["float": 12.25, "int8": 4.5], peakResidentBytes: 512_000_000, skippedImages: skipped)
    report.toolVersion = "1.2.3"
    report.calibration = ImageSet(name: "photos", images: 300, sha256: String(repeating: "c", count: 64))
    report.verification = VerificationSet(
      origin: .heldOut, set: ImageSet(name: "photos", images: 75, sha256: String(repeating: "d", count: 64)),
      overlapping: [])
    return report
  }

  package static func check(embedding: Double, findings: [String] = []) -> ReferenceCheck {
    ReferenceCheck(
      framework: "PyTorch 2.15", images: 64, missingImages: 1, differences: .init(embedding: embedding, logits: 2e-6),
      onInput: .init(embedding: 2.5e-7, logits: 1e-6), tolerances: .init(), findings: findings)
  }

  package static func failing() throws -> FidelityReport {
    var report = try report(
      comparisons(),
      skipped: [
        .init(name: "z|.jpg", reason: "not a JPEG\nfile"), .init(name: "a.jpg", reason: "truncated at byte 17"),
      ])
    report.warnings = ["the reference is *another* checkpoint"]
    report.assumptions = ["the stride is in conv2 (change with --stride-in conv1)", "p = 3"]
    report.verification?.overlap = 3
    report.verification?.overlapping = [nasty]
    return report
  }

  package static func passing() throws -> FidelityReport {
    try report(
      (1...100).map { index in
        try image(
          "\(index).jpg", drift: 0.0001 * Double(index), reference: varied(index), quantized: varied(index))
      })
  }
}

extension Sample {
  /// Figures of 100 images, 90 of which are of a class with others.
  package static func neighbors(agreeing: Int = 97) -> NeighborFigures? {
    func precision(_ index: Int, _ first: Int) -> NeighborQuery.Precision {
      .init(isFirst: index < first, average: index < first ? 0.75 : 0.25)
    }
    let queries = (0..<100).map { index in
      NeighborQuery(
        agreesInFloat: index < agreeing + 1, agreesInInt8: index < agreeing, isNearTie: index >= 98,
        classes: index >= 90
          ? nil
          : .init(
            floatInFloat: precision(index, 80), int8InFloat: precision(index, 79), int8InInt8: precision(index, 78)))
    }
    return NeighborFigures(
      queries,
      decisions: DecisionFigures(
        threshold: 0.8125, givenFalseMatchRate: 0.001, floatMatches: 12.5, floatFalseMatchRate: 0.0975,
        int8InFloat: .init(pairs: 9900, lost: 7, gained: 1, falseMatchRate: 0.0961),
        int8InInt8: .init(pairs: 4950, lost: 3, gained: 2, falseMatchRate: 0.1012)))
  }

  /// A report with figures of neighbours, and a gate on them.
  package static func searched(agreeing: Int = 97, limit: Double = 99) throws -> FidelityReport {
    let gates = try Gates(minNeighborAgreement: limit)
    var report = try passing()
    report.figures.neighbors = neighbors(agreeing: agreeing)
    report.gates = gates.results(for: report.figures)
    return report
  }
}
