import Fidelity
import Graphs
import Inference
import PackageFormat
import Pixels
import PrintableText
import Signing
import Tensors

/// The contents of a package: its origin, its fidelity and its layers. Encoded, it is the output of
/// `quern inspect --json`.
package struct PackageInspection: Encodable, Sendable {
  /// One node of the network.
  package struct Layer: Encodable, Sendable {
    /// The name of the node.
    package let name: String
    /// The name of its operator.
    package let op: String
    /// The attributes of the operator, as "name=value" separated by spaces; long values are shortened.
    package let attributes: String
    /// The format of its output: "float32", "uint8" or "uint8 with remainders".
    package let output: String
    /// The scale of its output; `nil` for float32.
    package let scale: Float?
    /// The zero point of its output; `nil` for float32.
    package let zeroPoint: UInt8?
    /// The size of its constants in bytes, uncompressed.
    package let bytes: Int
    /// The size of its constants in bytes, as they are stored.
    package let storedBytes: Int
    /// Why its weights are float; `nil` where they are int8, or it has none.
    package let keptFloat: String?
  }

  /// A size that the package was converted for, with the fidelity that was measured at it.
  package struct Size: Encodable, Sendable {
    /// The side of images in pixels.
    package let size: Int
    /// The exponent of GeM pooling at this size.
    package let poolingExponent: PoolingExponent
    /// Whether every gate passed; `nil` where the package was not verified.
    package let passed: Bool?
    /// The number of verification images; `nil` where the package was not verified.
    package let images: Int?
    /// The mean drift; `nil` where the package was not verified.
    package let meanDrift: Double?
    /// The top-1 agreement in percent; `nil` where the package was not verified or has no classifier.
    package let top1Agreement: Double?
    /// The memory that images of this size take; `nil` where the network cannot run.
    package let memory: Memory?
  }

  /// The self-test that the package contains.
  package struct SelfTest: Encodable, Sendable {
    /// The number of synthetic images.
    package let images: Int
    /// The height of the images in pixels.
    package let height: Int
    /// The width of the images in pixels.
    package let width: Int
    /// The number of checks.
    package let checks: Int
    /// The number of values of the network that are checked.
    package let values: Int
    /// The implementation that computed the expected results.
    package let implementation: String
    /// The size of the section in bytes, as it is stored.
    package let storedBytes: Int
  }

  let schema = "quern.inspect.package/1"
  /// The path of the file, as it was given.
  package let path: String
  /// The size of the file in bytes.
  package let bytes: Int
  /// The version of the package format, such as "1.0".
  package let formatVersion: String
  /// The content hash of the package in hexadecimal digits.
  package let contentHash: String
  /// The architecture of the network.
  package let architecture: String
  /// The side of images in pixels, by default.
  package let size: Int
  /// The name of the crop.
  package let crop: String
  /// The name of the resize filter.
  package let resize: String
  /// The ratio of the side of a square crop to the short side of the resized image.
  package let cropRatio: Double
  /// The exponent of GeM pooling at the default size.
  package let poolingExponent: PoolingExponent
  /// All sizes that the package was converted for, with the default first.
  package let sizes: [Size]
  /// The number of elements of an embedding.
  package let embeddingDimension: Int
  /// The number of classes; 0 without a classifier.
  package let classes: Int
  /// The mean that preprocessing subtracts from each channel.
  package let mean: [Float]
  /// The standard deviation that preprocessing divides each channel by.
  package let std: [Float]
  /// The self-test; `nil` where none is stored.
  package let selfTest: SelfTest?
  /// The licence of the weights as an SPDX expression; `nil` where none is stored.
  package let license: String?
  /// The text of the licence; `nil` where none is stored.
  package let licenseText: String?
  /// The size of all constants in bytes, uncompressed.
  package let constantBytes: Int
  /// The size of all constants in bytes, as they are stored.
  package let storedConstantBytes: Int
  /// Whether every hash was verified.
  package let isChecked: Bool
  /// Why this version cannot run the network; `nil` where it can.
  package let cannotRun: String?
  /// Whose figures the package states; `nil` where it states none.
  package let figures: FigureBinding.Owner?
  /// What the figures do not fit; `nil` unless they are of another package.
  private let figuresProblem: String?
  /// Why the fidelity report in the metadata is not valid; `nil` where it is, or where there is none.
  package let reportProblem: String?
  /// Who signed the package; `nil` where no signature was verified.
  package let signature: FidelityReport.Signature?
  /// The metadata; `nil` where this version cannot read it.
  package let metadata: PackageMetadata?
  /// All nodes, in order of execution.
  package let layers: [Layer]

  /// Reads a package.
  ///
  /// - Parameters:
  ///   - path: the path of the package.
  ///   - checks: whether to verify every hash and every byte of padding.
  ///   - mustRun: whether to verify that the network runs at every size, too.
  ///   - threads: how many threads verify hashes.
  ///   - signature: a signature to verify; `nil` for none.
  /// - Throws: `ConversionError.package` where the file is not a package or damaged, or, as requested, cannot run or
  ///   states figures of another package or a report that is not valid; the errors of `SignatureRequest.verify`.
  package init(path: String, checks: Bool, mustRun: Bool = false, threads: Int, signature: SignatureRequest? = nil)
    throws
  {
    try self.init(
      try PackageReader.opening(path), checks: checks, mustRun: mustRun, threads: threads, signature: signature)
  }

  /// Reads a package that is open.
  ///
  /// - Parameters:
  ///   - reader: the package, whose path is stated.
  ///   - checks: whether to verify every hash and every byte of padding.
  ///   - mustRun: whether to verify that the network runs at every size, too.
  ///   - threads: how many threads verify hashes.
  ///   - signature: a signature to verify; `nil` for none.
  /// - Throws: the errors of `init(path:checks:mustRun:threads:signature:)`.
  init(
    _ reader: PackageReader, checks: Bool, mustRun: Bool = false, threads: Int, signature: SignatureRequest? = nil
  ) throws {
    let path = reader.path
    let signed = signature.map { _ in SignedFile(path: path, digest: reader.sha256()) }
    if checks { try reader.check(threads: threads) }
    if mustRun { try reader.checkRuns(threads: threads) }
    self.signature = try signed.flatMap { try signature?.verify($0, at: path) }
    self.path = path
    bytes = reader.byteCount
    formatVersion = "\(reader.majorVersion).\(reader.minorVersion)"
    contentHash = reader.contentHash.hex
    architecture = reader.graph.architecture
    // An operator of a later version does not keep the rest from being shown.
    let graph: Graph?
    do throws(PackageError) {
      (graph, cannotRun) = (try PackagedNetwork(reader).graph, nil)
    } catch {
      (graph, cannotRun) = (nil, "\(error)")
    }
    let info = graph.map(reader.info.pooling) ?? reader.info
    let standard = info.standard
    (size, crop) = (standard.side, standard.evaluation.crop.rawValue)
    (resize, cropRatio) = (standard.evaluation.filter.rawValue, standard.evaluation.cropRatio)
    poolingExponent = PoolingExponent(standard.poolingExponent)
    (embeddingDimension, classes) = (info.embeddingDimension, info.classCount)
    (mean, std) = (reader.graph.preprocessing.mean, reader.graph.preprocessing.std)
    isChecked = checks
    selfTest = try SelfTest(reader)
    let license = try reader.statedLicense()
    (self.license, licenseText) = (license?.expression, license?.text)
    let (metadata, reportProblem) = PackageMetadata.read(try reader.metadataText())
    if checks, let reportProblem { throw ConversionError.package(path: path, .invalidReport(reportProblem)) }
    (self.metadata, self.reportProblem) = (metadata, reportProblem)
    let binding = metadata?.binding(contentHash: reader.contentHash)
    if checks, let problem = binding?.problem {
      throw ConversionError.package(path: path, .foreignFigures(problem))
    }
    (figures, figuresProblem) = (binding?.owner, binding?.problem)
    // Figures of another package say nothing about this one.
    let fidelity = binding?.problem == nil ? metadata?.fidelity : nil
    sizes = zip(info.resolutions, Memory.estimates(of: reader)).map { Size($0, fidelity, $1) }
    let reasons = metadata?.keptFloat ?? [:]
    layers = reader.graph.nodes.map { Layer($0, in: reader, reasons: reasons) }
    constantBytes = layers.reduce(0) { $0 + $1.bytes }
    storedConstantBytes = layers.reduce(0) { $0 + $1.storedBytes }
  }

  /// The inspection as text for a terminal.
  package var text: String {
    var table = TextTable()
    table.row("file", "\(path), \(bytes) bytes, format \(formatVersion)")
    table.row("content", contentHash)
    if isChecked { table.row("checked", Self.meaningOfCheck) }
    if let cannotRun { table.row("cannot run", cannotRun) }
    table.row("architecture", architecture)
    for size in sizes {
      table.row("converted for", "\(size.size) pixels, \(crop), GeM exponent \(size.poolingExponent)")
    }
    for size in sizes {
      if let memory = size.memory {
        table.row("memory", "\(memory.text)\(sizes.count == 1 ? "" : ", \(size.size) px")")
      }
    }
    table.row("resize", resize + (crop == "square" ? ", crop ratio \(cropRatio)" : ""))
    table.row("embedding", "\(embeddingDimension)")
    table.row("classes", classes == 0 ? "none" : "\(classes)")
    table.row("mean, std", "\(mean), \(std)")
    table.row("constants", "\(constantBytes) bytes, stored in \(storedConstantBytes)")
    table.row(
      "self-test",
      selfTest.map {
        "\($0.checks) checks of \($0.values) layers, \($0.images) images of \($0.width) x \($0.height), "
          + "\($0.storedBytes) bytes"
      } ?? "none")
    if license != nil || licenseText != nil {
      let length = licenseText.map { "a text of \($0.utf8.count) bytes, which --json prints" }
      table.row("licence", [license, length].compactMap(\.self).joined(separator: ", and "))
    }
    let kept = layers.filter { $0.keptFloat != nil }
    if !kept.isEmpty {
      table.row("kept in float", "\(kept.count) layers, \(kept.reduce(0) { $0 + $1.storedBytes }) bytes as stored")
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
      if let figuresProblem {
        table.row("fidelity", "NOT OF THIS PACKAGE: \(figuresProblem)")
      } else if let fidelity = metadata.fidelity {
        for (index, size) in sizes.enumerated() {
          let location = sizes.count == 1 ? "" : " at \(size.size) pixels"
          let gates = sizes.count == 1 ? fidelity.gates : fidelity.sizes.dropFirst(index).first?.gates ?? []
          table.row("fidelity", "\(size.passed == true ? "passed" : "FAILED") on \(size.images ?? 0) images\(location)")
          let inconclusive = gates.filter { $0.verdict == .inconclusive }.map(\.name.rawValue)
          if !inconclusive.isEmpty { table.row("inconclusive", inconclusive.joined(separator: ", ")) }
          if index == 0 {
            table.row("verdict", statedVerdict ?? "")
            for warning in fidelity.allWarnings { table.row("warning", warning) }
          }
          if let mean = size.meanDrift { table.row("mean drift", "\(mean)") }
          if let agreement = size.top1Agreement { table.row("top-1 agreement", "\(agreement) %") }
        }
        if let sentence = fidelity.referenceSentence { table.row("framework", sentence) }
        if figures == .unknown { table.row("figures", "name no package that they were measured on") }
      } else if reportProblem == nil {
        table.row("fidelity", Self.unverified)
      }
    }
    if let reportProblem { table.row("fidelity", "NOT VALID: \(reportProblem)") }
    table.row(
      "signature",
      signature.map { "signed by key SHA-256 \($0.keySHA256)" }
        ?? "none: \(Self.unsigned). Hashes show that the file is whole, not who made it")
    return table.text + "\n\n" + plan
  }

  /// What is said of figures that no signature vouches for.
  static let unsigned = "figures are stated, not signed"
  /// What is said where there are no figures.
  static let unverified = "not verified"

  /// The report, where its figures are not those of another package.
  var report: FidelityReport? { figuresProblem == nil ? metadata?.fidelity : nil }

  /// The verdict that the package states, such as "inconclusive: 1 gate inconclusive"; `nil` without a report.
  var statedVerdict: String? {
    report.map { report in
      let isOpen = report.verdict == .inconclusive
      return report.verdict.rawValue + (isOpen ? ": \(report.doubts.joined(separator: ", "))" : "")
    }
  }

  private static let meaningOfCheck =
    "every hash is right, so the file is whole, and the network runs; hashes do not say who made it"

  private var plan: String {
    // A name of any length must not widen every line.
    let names = min(layers.map { printable($0.name).count }.max() ?? 0, 120)
    return layers.map { layer in
      let name = printable(layer.name)
      let format = layer.output + (layer.scale.map { ", scale \($0), zero \(layer.zeroPoint ?? 0)" } ?? "")
      return name + String(repeating: " ", count: max(2, names + 2 - name.count))
        + "\(layer.op) -> \(format)" + (layer.bytes > 0 ? "  \(layer.bytes) bytes in \(layer.storedBytes)" : "")
        + (layer.keptFloat.map { "  float: \(printable($0))" } ?? "")
    }.joined(separator: "\n")
  }
}

extension PackageInspection.Size {
  fileprivate init(
    _ resolution: Resolution, _ fidelity: FidelityReport?, _ memory: PackageInspection.Memory?
  ) {
    (size, self.memory) = (resolution.side, memory)
    poolingExponent = PoolingExponent(resolution.poolingExponent)
    let entry = fidelity?.sizes.first { $0.size == resolution.side }
    // A report on a single size has no list of sizes.
    let figures = entry?.figures ?? (fidelity?.sizes.isEmpty == true ? fidelity?.figures : nil)
    passed = entry?.passed ?? (fidelity?.sizes.isEmpty == true ? fidelity?.passed : nil)
    images = figures?.images
    meanDrift = figures?.drift.mean
    top1Agreement = figures?.agreement.top1
  }
}

extension PackageInspection.SelfTest {
  fileprivate init?(_ reader: PackageReader) throws(ConversionError) {
    let record: SelfTestRecord
    do throws(PackageError) {
      guard let found = try reader.selfTest() else { return nil }
      record = found
    } catch { throw .package(path: reader.path, error) }
    (images, height, width) = (record.imageCount, record.height, record.width)
    (checks, values) = (record.checks.count, Set(record.checks.map(\.value)).count)
    implementation = record.implementation
    storedBytes = reader.sections.first { $0.kind == .selfTest }?.storedLength ?? 0
  }
}

extension PackageInspection.Layer {
  /// - Parameter reasons: the reasons of layers that are kept in float, by name.
  init(_ node: NodeRecord, in reader: PackageReader, reasons: [String: String]) {
    name = node.name
    op = node.operatorName
    attributes = node.attributes.sorted.map { "\($0.name)=\($0.value.excerpt)" }.joined(separator: " ")
    output = node.format.name
    if let parameters = node.format.quantization {
      (scale, zeroPoint) = (parameters.scale, parameters.zeroPoint)
    } else {
      (scale, zeroPoint) = (nil, nil)
    }
    let hasFloatWeight = node.constants.contains { $0.role == "weight" && $0.elementType != .int8 }
    keptFloat = hasFloatWeight ? reasons[node.name] ?? "the package does not record why" : nil
    let sections = node.constants.map { reader.section(of: $0) }
    bytes = sections.reduce(0) { $0 + $1.rawLength }
    storedBytes = sections.reduce(0) { $0 + $1.storedLength }
  }
}
