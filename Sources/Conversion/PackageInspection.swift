import Fidelity
import Graphs
import Images
import Inference
import PackageFormat
import Tensors

/// What a package holds: its making, its fidelity and its plan.
package struct PackageInspection: Encodable, Sendable {
  /// One node of the plan.
  package struct Layer: Encodable, Sendable {
    package let name: String
    package let op: String
    package let attributes: String
    /// How the output is held: "float32", "uint8" or "uint8 with remainders".
    package let output: String
    package let scale: Float?
    package let zeroPoint: UInt8?
    /// Bytes of the node's constants, and as they are stored.
    package let bytes: Int
    package let storedBytes: Int
    /// Why the node's weights are float; `nil` where they are int8, or there are none.
    package let keptFloat: String?
  }

  /// A size that the package was converted for, and what was measured there.
  package struct Size: Encodable, Sendable {
    package let size: Int
    package let poolingExponent: String
    /// `nil` where the package was not verified.
    package let passed: Bool?
    package let images: Int?
    package let meanDrift: Double?
    package let top1Agreement: Double?
  }

  let schema = "quern.inspect.package/1"
  package let path: String
  package let bytes: Int
  package let formatVersion: String
  package let contentHash: String
  package let architecture: String
  package let size: Int
  package let crop: String
  package let resize: String
  package let cropRatio: Double
  package let poolingExponent: String
  /// All that the package serves, the first first.
  package let sizes: [Size]
  package let embeddingDimension: Int
  package let classes: Int
  package let mean: [Float]
  package let std: [Float]
  package let constantBytes: Int
  package let storedConstantBytes: Int
  /// Whether every hash was verified.
  package let isChecked: Bool
  package let metadata: PackageMetadata?
  package let layers: [Layer]

  /// - Parameter checks: verify every hash and every byte of padding.
  /// - Throws: `ConversionError.package`.
  package init(path: String, checks: Bool, threads: Int) throws {
    let reader = try PackageReader.opening(path)
    if checks { try reader.check(threads: threads) }
    self.path = path
    bytes = reader.byteCount
    formatVersion = "\(reader.majorVersion).\(reader.minorVersion)"
    contentHash = reader.contentHash.hex
    architecture = reader.graph.architecture
    let standard = reader.info.standard
    (size, crop) = (standard.side, standard.evaluation.crop.rawValue)
    (resize, cropRatio) = (standard.evaluation.filter.rawValue, standard.evaluation.cropRatio)
    poolingExponent = standard.exponentText
    (embeddingDimension, classes) = (reader.info.embeddingDimension, reader.info.classCount)
    (mean, std) = (reader.graph.preprocessing.mean, reader.graph.preprocessing.std)
    isChecked = checks
    let metadata = PackageMetadata(json: try reader.metadataText())
    self.metadata = metadata
    sizes = reader.info.resolutions.map { Size($0, metadata?.fidelity) }
    let reasons = metadata?.keptFloat ?? [:]
    layers = reader.graph.nodes.map { Layer($0, in: reader, reasons: reasons) }
    constantBytes = layers.reduce(0) { $0 + $1.bytes }
    storedConstantBytes = layers.reduce(0) { $0 + $1.storedBytes }
  }

  package var text: String {
    var table = TextTable()
    table.row("file", "\(path), \(bytes) bytes, format \(formatVersion)")
    table.row("content", contentHash + (isChecked ? " (every hash verified)" : ""))
    table.row("architecture", architecture)
    for size in sizes {
      table.row("converted for", "\(size.size) pixels, \(crop), GeM exponent \(size.poolingExponent)")
    }
    table.row("resize", resize + (crop == "square" ? ", crop ratio \(cropRatio)" : ""))
    table.row("embedding", "\(embeddingDimension)")
    table.row("classes", classes == 0 ? "none" : "\(classes)")
    table.row("mean, std", "\(mean), \(std)")
    table.row("constants", "\(constantBytes) bytes, stored in \(storedConstantBytes)")
    let kept = layers.filter { $0.keptFloat != nil }
    if !kept.isEmpty {
      table.row("kept float", "\(kept.count) layers, \(kept.reduce(0) { $0 + $1.storedBytes }) bytes as stored")
    }
    if let metadata {
      let name = metadata.source.name.map { "\($0), " } ?? ""
      table.row("made from", "\(name)\(metadata.source.format), sha256 \(metadata.source.sha256)")
      if let plan = metadata.planSHA256 { table.row("plan", "sha256 \(plan)") }
      if let version = metadata.toolVersion { table.row("made by", "quern \(version)") }
      for assumption in metadata.fidelity?.assumptions ?? [] { table.row("assumed", assumption) }
      if let set = metadata.calibrationSet { table.row("calibrated on", "\(set.name), sha256 \(set.sha256)") }
      table.row(
        "calibration",
        metadata.calibration.filter { !["folder", "sha256"].contains($0.key) }.sorted { $0.key < $1.key }.map {
          "\($0.key) \($0.value)"
        }.joined(separator: ", "))
      if let fidelity = metadata.fidelity {
        for (index, size) in sizes.enumerated() {
          let place = sizes.count == 1 ? "" : " at \(size.size) pixels"
          let gates = sizes.count == 1 ? fidelity.gates : fidelity.sizes.dropFirst(index).first?.gates ?? []
          table.row("fidelity", "\(size.passed == true ? "passed" : "FAILED") on \(size.images ?? 0) images\(place)")
          let doubtful = gates.filter { $0.verdict == .inconclusive }.map(\.name.rawValue)
          if !doubtful.isEmpty { table.row("inconclusive", doubtful.joined(separator: ", ")) }
          if index == 0 {
            table.row("verdict", fidelity.verdict.rawValue)
            for warning in fidelity.allWarnings { table.row("warning", warning) }
          }
          if let mean = size.meanDrift { table.row("mean drift", "\(mean)") }
          if let agreement = size.top1Agreement { table.row("top-1 agreement", "\(agreement) %") }
        }
        if let sentence = fidelity.referenceSentence { table.row("framework", sentence) }
      } else {
        table.row("fidelity", "not verified")
      }
    }
    return table.text + "\n\n" + plan
  }

  private var plan: String {
    let names = layers.map(\.name.count).max() ?? 0
    return layers.map { layer in
      let format = layer.output + (layer.scale.map { ", scale \($0), zero \(layer.zeroPoint ?? 0)" } ?? "")
      return layer.name + String(repeating: " ", count: names + 2 - layer.name.count)
        + "\(layer.op) -> \(format)" + (layer.bytes > 0 ? "  \(layer.bytes) bytes in \(layer.storedBytes)" : "")
        + (layer.keptFloat.map { "  float: \($0)" } ?? "")
    }.joined(separator: "\n")
  }
}

extension PackageInspection.Size {
  fileprivate init(_ resolution: Resolution, _ fidelity: FidelityReport?) {
    size = resolution.side
    poolingExponent = resolution.exponentText
    let own = fidelity?.sizes.first { $0.size == resolution.side }
    // A report of one size says by itself what was measured.
    let figures = own?.figures ?? (fidelity?.sizes.isEmpty == true ? fidelity?.figures : nil)
    passed = own?.passed ?? (fidelity?.sizes.isEmpty == true ? fidelity?.passed : nil)
    images = figures?.images
    meanDrift = figures?.drift.mean
    top1Agreement = figures?.agreement.top1
  }
}

extension Resolution {
  /// Packages of networks that do not pool by GeM state 1.
  fileprivate var exponentText: String { "\(poolingExponent ?? 1)" }
}

extension PackageInspection.Layer {
  /// - Parameter reasons: why layers are kept in float, by name.
  init(_ node: NodeRecord, in reader: PackageReader, reasons: [String: String]) {
    name = node.name
    op = node.operatorName
    attributes = node.attributes.sorted.map { "\($0.name)=\($0.value)" }.joined(separator: " ")
    output = node.format.name
    if let parameters = node.format.quantization {
      (scale, zeroPoint) = (parameters.scale, parameters.zeroPoint)
    } else {
      (scale, zeroPoint) = (nil, nil)
    }
    let hasFloatWeight = node.constants.contains { $0.role == "weight" && $0.elementType != .int8 }
    keptFloat = hasFloatWeight ? reasons[node.name] ?? "the package does not say why" : nil
    let sections = node.constants.map { reader.section(of: $0) }
    bytes = sections.reduce(0) { $0 + $1.rawLength }
    storedBytes = sections.reduce(0) { $0 + $1.storedLength }
  }
}
