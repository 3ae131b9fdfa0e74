import Fidelity
import Files
import FoundationEssentials
import Graphs
import Quantization
import Suggestions
import Tensors

/// A quantisation plan as a JSON document (formats/plan.md), which `quern plan` writes and `convert --plan` takes.
/// Every field except the schema may be left out; a conversion computes what is missing.
package struct PlanFile: Codable, Sendable, Hashable {
  /// The schema that this version reads and writes.
  package static let schema = "quern.plan/1"
  /// The reason of decisions that a file gives without a reason.
  static let reason = "set by the plan file"

  /// The schema of the document; only `PlanFile.schema` is valid.
  package var schema = PlanFile.schema
  /// The architecture of the network, for readers; a plan can be used for any network that has its layers.
  package var architecture: String?
  /// The name of the range method (`RangeMethod.name`).
  package var rangeMethod: String?
  /// The name of the rounding method (a raw value of `RoundingMethod`).
  package var rounding: String?
  /// The factors of channels, above 0 and at most 1, by the name of the layer whose output they scale: float32, little
  /// endian, in base64. Layers without an entry have the factor 1; without this field the factors are computed.
  package var equalisation: [String: Data]?
  /// The nodes of the network, in order of execution.
  package var layers: [Layer]?
  /// The calibration record, which packages store.
  package var calibration: [String: JSONValue]?
  /// The keys of the images that the plan comes from (`ImageKeys`), which packages store; `nil` where there are too
  /// many images, or some are not known, and in plans of earlier versions.
  package var calibrationPixels: String?
  /// Whether the time budget cut the search short.
  package var timeBudgetReached: Bool?

  /// The decisions for one node.
  package struct Layer: Codable, Sendable, Hashable {
    /// The name of the node.
    package var name: String
    /// The name of its arithmetic, such as "int8" or "float32" (formats/plan.md).
    package var arithmetic: String?
    /// The minimum step of its weights in real units; 0 for the finest.
    package var minWeightStep: Float?
    /// The format of its output.
    package var output: Output?
    /// Why the layer differs from what the planner chooses by default.
    package var reason: String?
    /// The layer as it was when weights were rounded, where a search has edited it since.
    package var rounded: Rounded?

    fileprivate enum CodingKeys: String, CodingKey, CaseIterable {
      case name, arithmetic, output, reason, rounded
      case minWeightStep = "min_weight_step"
    }
  }

  /// The format of a layer's output.
  package struct Output: Codable, Sendable, Hashable {
    /// "float32", "uint8" or "uint8_with_remainder".
    package var format: String
    /// The scale, which must be positive; `nil` for float32.
    package var scale: Float?
    /// The zero point; `nil` for float32.
    package var zeroPoint: UInt8?
    /// The smallest and the largest value that calibration saw.
    package var observed: [Float]?
    /// Why the output has this format.
    package var reason: String?

    fileprivate enum CodingKeys: String, CodingKey, CaseIterable {
      case format, scale, observed, reason
      case zeroPoint = "zero_point"
    }
  }

  /// The decisions for a node at the time when weights were rounded.
  package struct Rounded: Codable, Sendable, Hashable {
    /// The name of its arithmetic.
    package var arithmetic: String
    /// The format of its output.
    package var output: Output

    fileprivate enum CodingKeys: String, CodingKey, CaseIterable {
      case arithmetic, output
    }
  }

  private enum CodingKeys: String, CodingKey, CaseIterable {
    case schema, architecture, rounding, equalisation, layers, calibration
    case rangeMethod = "range_method"
    case calibrationPixels = "calibration_pixels"
    case timeBudgetReached = "time_budget_reached"
  }
}

// MARK: - Names

extension QuantizationPlan.Arithmetic {
  /// The name of the arithmetic in plan files.
  fileprivate var planName: String {
    switch self {
    case .int8: "int8"
    case .int8WideInput: "int8_16bit_input"
    case .int8Weights: "float32_int8_weights"
    case .int16Weights: "float32_int16_weights"
    case .float: "float32"
    }
  }

  fileprivate init(planName name: String, of layer: String) throws(PlanError) {
    guard let found = Self.allCases.first(where: { $0.planName == name }) else {
      throw .field(
        layer: layer,
        "its arithmetic '\(abbreviated(name))' is none of "
          + Self.allCases.map(\.planName).joined(separator: ", "))
    }
    self = found
  }
}

extension PlanFile.Output {
  fileprivate init(_ value: QuantizationPlan.Value) {
    switch value.format {
    case .float32: format = "float32"
    case .uint8: format = "uint8"
    case .uint8WithRemainder: format = "uint8_with_remainder"
    }
    (scale, zeroPoint) = (value.format.quantization?.scale, value.format.quantization?.zeroPoint)
    observed = value.observed.map { [$0.lowerBound, $0.upperBound] }
    reason = value.reason
  }

  fileprivate func value(of layer: String) throws(PlanError) -> QuantizationPlan.Value {
    var range: ClosedRange<Float>?
    if let observed {
      guard observed.count == 2, observed[0] <= observed[1] else {
        throw .field(layer: layer, "'observed' is not a smallest and a largest value")
      }
      range = observed[0]...observed[1]
    }
    return QuantizationPlan.Value(
      format: try valueFormat(of: layer), observed: range, reason: reason ?? PlanFile.reason)
  }

  private func valueFormat(of layer: String) throws(PlanError) -> ValueFormat {
    if format == "float32" { return .float32 }
    guard format == "uint8" || format == "uint8_with_remainder" else {
      throw .field(layer: layer, "its format '\(abbreviated(format))' is none of float32, uint8, uint8_with_remainder")
    }
    guard let scale, let zeroPoint, scale.isNormal, scale > 0 else {
      throw .field(layer: layer, "the format \(format) needs a positive scale and a zero_point")
    }
    let parameters = QuantizationParameters(scale: scale, zeroPoint: zeroPoint)
    return format == "uint8" ? .uint8(parameters) : .uint8WithRemainder(parameters)
  }
}

extension PlanFile.Layer {
  func plannedArithmetic() throws(PlanError) -> QuantizationPlan.Arithmetic? {
    guard let arithmetic else { return nil }
    return try .init(planName: arithmetic, of: name)
  }

  func plannedOutput() throws(PlanError) -> QuantizationPlan.Value? { try output?.value(of: name) }

  /// The layer as it was when weights were rounded; `nil` where it was not edited since.
  func roundedAs() throws(PlanError) -> (QuantizationPlan.Arithmetic, QuantizationPlan.Value)? {
    guard let rounded else { return nil }
    return (try .init(planName: rounded.arithmetic, of: name), try rounded.output.value(of: name))
  }
}

// MARK: - Creation

extension PlanFile {
  /// The document of a plan.
  ///
  /// - Parameters:
  ///   - plan: the plan after all edits.
  ///   - rounded: the plan that weights were rounded by.
  ///   - graph: the float graph.
  ///   - calibration: the calibration record.
  ///   - images: the keys of the images that the plan comes from; `nil` where some are not known.
  ///   - isCutShort: whether the time budget cut the search short.
  init(
    _ plan: QuantizationPlan, rounded: QuantizationPlan, of graph: Graph, calibration: [String: JSONValue],
    images: ImageKeys?, isCutShort: Bool
  ) {
    architecture = graph.architecture
    (rangeMethod, rounding) = (plan.rangeMethod.name, plan.rounding.rawValue)
    equalisation = plan.equalisation.mapValues { scales in
      scales.withUnsafeBytes { Data($0) }
    }
    layers = graph.nodes.map { node in
      guard let layer = plan.layers[node.name], let value = plan.values[node.name],
        let before = rounded.layers[node.name],
        let valueBefore = rounded.values[node.name]
      else { preconditionFailure("\(node.name) is not in the plan of its graph") }
      let isEdited = layer.arithmetic != before.arithmetic || value != valueBefore
      return Layer(
        name: node.name, arithmetic: layer.arithmetic.planName,
        minWeightStep: node.hasRoundedWeights ? layer.minStep ?? 0 : nil, output: Output(value), reason: layer.reason,
        rounded: isEdited ? Rounded(arithmetic: before.arithmetic.planName, output: Output(valueBefore)) : nil)
    }
    self.calibration = calibration
    calibrationPixels = images?.text
    timeBudgetReached = isCutShort ? true : nil
  }

  // MARK: - Files

  /// The canonical text, with keys sorted and layers in order of execution.
  ///
  /// - Throws: `EncodingError` where a number is not finite.
  package func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  /// SHA-256 of the canonical text, in lower-case hexadecimal digits.
  func sha256() throws -> String { SHA256.hash(Array(try json().utf8)).hex }

  /// The same without `calibrationPixels`, which is no decision: the hash that packages state.
  func decisionsSHA256() throws -> String {
    var plan = self
    plan.calibrationPixels = nil
    return try plan.sha256()
  }

  /// Reads a plan file.
  ///
  /// - Throws: `FileError` where the file cannot be read; `PlanError.notAPlan` where it is not a plan of this schema or
  ///   has an unknown field, `.field` where a layer has two entries.
  package init(path: String) throws {
    try self.init(json: try MappedFile(path: path).withBytes { Data($0) }, path: path)
  }

  /// Reads the text of a plan file.
  ///
  /// - Parameters:
  ///   - data: the document.
  ///   - path: the path of the file, for messages.
  /// - Throws: `PlanError.notAPlan` where it is not a plan of this schema or has an unknown field, `.field` where a
  ///   layer has two entries.
  package init(json data: Data, path: String) throws {
    let document: JSONValue
    do {
      let file = try JSONDocument(data)
      document = file.value
      self = try file.decode(PlanFile.self)
    } catch let error as DecodingError {
      throw PlanError.notAPlan(path: path, Self.describe(error))
    }
    guard schema == Self.schema else {
      throw PlanError.notAPlan(path: path, "its schema is '\(abbreviated(schema))', not \(Self.schema)")
    }
    if let key = Self.unknownKey(in: document) {
      throw PlanError.notAPlan(path: path, "there is no field '\(key)' (see formats/plan.md)")
    }
    if calibrationPixels != nil, imageKeys == nil {
      throw PlanError.notAPlan(
        path: path,
        "'calibration_pixels' does not have \(ImageKeys.length) lower-case hexadecimal digits for each image")
    }
    var names: Set<String> = []
    for layer in layers ?? [] where !names.insert(layer.name).inserted {
      throw PlanError.field(layer: layer.name, "there are two entries for it")
    }
  }

  /// The first key that no field has, with the name of its layer: a misspelt decision must not be ignored.
  private static func unknownKey(in document: JSONValue) -> String? {
    func first(_ object: [String: JSONValue]?, _ keys: [any CodingKey]) -> String? {
      object?.keys.sorted().first { name in !keys.contains { $0.stringValue == name } }
    }
    guard let plan = document.members else { return nil }
    if let key = first(plan, CodingKeys.allCases) { return key }
    guard case .array(let layers)? = plan["layers"] else { return nil }
    for layer in layers {
      let rounded = layer.members?["rounded"]?.members
      let key =
        first(layer.members, Layer.CodingKeys.allCases) ?? first(rounded, Rounded.CodingKeys.allCases)
        ?? first(layer.members?["output"]?.members, Output.CodingKeys.allCases)
        ?? first(rounded?["output"]?.members, Output.CodingKeys.allCases)
      guard let key else { continue }
      if case .string(let name)? = layer.members?["name"] {
        return "\(key)' of layer '\(abbreviated(name))"
      }
      return key
    }
    return nil
  }

  private static func describe(_ error: DecodingError) -> String {
    func path(_ context: DecodingError.Context) -> String {
      abbreviated(context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: "."))
    }
    switch error {
    case .keyNotFound(let key, let context):
      return "'\(key.stringValue)' is missing" + (context.codingPath.isEmpty ? "" : " at \(path(context))")
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "the value at \(path(context)) has another type"
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty ? context.debugDescription : "the value at \(path(context)) cannot be read"
    @unknown default: return "it cannot be read"
    }
  }
}

/// A plan file that cannot be used.
package enum PlanError: Error, Hashable, Sendable {
  /// The file is not a plan; the message says why.
  case notAPlan(path: String, String)
  /// A field has an unknown value: the name of the field, the value, and the valid values.
  case option(String, String, [String])
  /// The entry of a layer is not valid or does not fit the network; the message says why.
  case field(layer: String, String)
  /// The network has no layer of this name; `near` lists similar names.
  case unknownLayer(String, near: [String])
}

extension PlanError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notAPlan(let path, let problem): "\(path): not a quantisation plan: \(problem)"
    case .option(let field, let value, let values):
      "the plan's \(field) '\(abbreviated(value))' is none of \(values.joined(separator: ", "))"
    case .field(let layer, let problem): "the plan's layer '\(abbreviated(layer))': \(problem)"
    case .unknownLayer(let name, let near):
      "the plan's layer '\(abbreviated(name))' is not in this network; the nearest names are "
        + near.map { abbreviated($0) }.joined(separator: ", ")
    }
  }
}
