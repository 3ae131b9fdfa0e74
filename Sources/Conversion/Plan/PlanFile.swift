import Fidelity
import Files
import Foundation
import Graphs
import Quantization
import Tensors

/// A quantisation plan as a JSON document (formats/plan.md): what `quern plan` writes and `convert --plan` takes. Every field
/// but the schema may be left out; a conversion computes what is not there.
package struct PlanFile: Codable, Sendable, Hashable {
  package static let schema = "quern.plan/1"
  /// Of what a file gives without one.
  static let reason = "by the plan file"

  package var schema = PlanFile.schema
  /// For people; a plan is for the network whose layers it names.
  package var architecture: String?
  package var rangeMethod: String?
  package var rounding: String?
  /// The factors of channels by the name of the layer that makes them: float32, little endian, in base64. Layers without an
  /// entry have the factor 1; without this field factors are computed.
  package var equalisation: [String: Data]?
  /// In order of execution.
  package var layers: [Layer]?
  /// What calibration saw, for the record that packages carry.
  package var calibration: [String: JSONValue]?
  /// Whether the time ran out before the search was over.
  package var timeBudgetReached: Bool?

  /// One node.
  package struct Layer: Codable, Sendable, Hashable {
    package var name: String
    package var arithmetic: String?
    /// The least step of its weights in real units; 0 for the finest.
    package var minWeightStep: Float?
    package var output: Output?
    /// Why it is not what the planner would choose.
    package var reason: String?
    /// What it was when weights were rounded, where a search has edited it since.
    package var rounded: Rounded?

    private enum CodingKeys: String, CodingKey {
      case name, arithmetic, output, reason, rounded
      case minWeightStep = "min_weight_step"
    }
  }

  /// How a layer's output is held.
  package struct Output: Codable, Sendable, Hashable {
    package var format: String
    package var scale: Float?
    package var zeroPoint: UInt8?
    /// The smallest and the largest value that calibration saw.
    package var observed: [Float]?
    package var reason: String?

    private enum CodingKeys: String, CodingKey {
      case format, scale, observed, reason
      case zeroPoint = "zero_point"
    }
  }

  package struct Rounded: Codable, Sendable, Hashable {
    package var arithmetic: String
    package var output: Output
  }

  private enum CodingKeys: String, CodingKey {
    case schema, architecture, rounding, equalisation, layers, calibration
    case rangeMethod = "range_method"
    case timeBudgetReached = "time_budget_reached"
  }
}

// MARK: - Names

extension QuantizationPlan.Arithmetic {
  /// In plan files.
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
        layer: layer, "arithmetic '\(name)' is none of \(Self.allCases.map(\.planName).joined(separator: ", "))")
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
        throw .field(layer: layer, "observed is not the smallest and the largest value")
      }
      range = observed[0]...observed[1]
    }
    return QuantizationPlan.Value(
      format: try valueFormat(of: layer), observed: range, reason: reason ?? PlanFile.reason)
  }

  private func valueFormat(of layer: String) throws(PlanError) -> ValueFormat {
    if format == "float32" { return .float32 }
    guard format == "uint8" || format == "uint8_with_remainder" else {
      throw .field(layer: layer, "format '\(format)' is none of float32, uint8, uint8_with_remainder")
    }
    guard let scale, let zeroPoint, scale.isNormal, scale > 0 else {
      throw .field(layer: layer, "\(format) needs a positive scale and a zero_point")
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

  /// What the layer was when weights were rounded; `nil` where that is what it is.
  func roundedAs() throws(PlanError) -> (QuantizationPlan.Arithmetic, QuantizationPlan.Value)? {
    guard let rounded else { return nil }
    return (try .init(planName: rounded.arithmetic, of: name), try rounded.output.value(of: name))
  }
}

// MARK: - Making

extension PlanFile {
  /// - Parameters:
  ///   - plan: after all edits.
  ///   - rounded: what weights were rounded by.
  ///   - graph: the float graph.
  init(
    _ plan: QuantizationPlan, rounded: QuantizationPlan, of graph: Graph, calibration: [String: JSONValue],
    isCutShort: Bool
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
        minWeightStep: node.hasRoundedWeights ? layer.leastStep ?? 0 : nil, output: Output(value), reason: layer.reason,
        rounded: isEdited ? Rounded(arithmetic: before.arithmetic.planName, output: Output(valueBefore)) : nil)
    }
    self.calibration = calibration
    timeBudgetReached = isCutShort ? true : nil
  }

  // MARK: - Files

  /// The canonical text: keys sorted, layers in order of execution.
  package func json() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    return String(decoding: try encoder.encode(self), as: UTF8.self) + "\n"
  }

  /// Of the canonical text, in lower-case hexadecimal digits.
  func sha256() throws -> String { SHA256.hash(Array(try json().utf8)).hex }

  /// Reads a file.
  ///
  /// - Throws: `FileError`; `PlanError` for what is no plan.
  package init(path: String) throws {
    let data = try MappedFile(path: path).withBytes { Data($0) }
    do {
      self = try JSONDecoder().decode(PlanFile.self, from: data)
    } catch let error as DecodingError {
      throw PlanError.notAPlan(path: path, Self.describe(error))
    }
    guard schema == Self.schema else {
      throw PlanError.notAPlan(path: path, "its schema is '\(schema)', not \(Self.schema)")
    }
    var names: Set<String> = []
    for layer in layers ?? [] where !names.insert(layer.name).inserted {
      throw PlanError.field(layer: layer.name, "there are two entries for it")
    }
  }

  private static func describe(_ error: DecodingError) -> String {
    func place(_ context: DecodingError.Context) -> String {
      context.codingPath.map { $0.intValue.map { "[\($0)]" } ?? $0.stringValue }.joined(separator: ".")
    }
    switch error {
    case .keyNotFound(let key, let context):
      return "'\(key.stringValue)' is missing" + (context.codingPath.isEmpty ? "" : " at \(place(context))")
    case .typeMismatch(_, let context), .valueNotFound(_, let context):
      return "what is at \(place(context)) has another type"
    case .dataCorrupted(let context):
      return context.codingPath.isEmpty ? "it is not JSON" : "what is at \(place(context)) cannot be read"
    @unknown default: return "it cannot be read"
    }
  }
}

/// What can be wrong with a plan file.
package enum PlanError: Error, Hashable, Sendable {
  case notAPlan(path: String, String)
  /// A field whose value is none of those that there are.
  case option(String, String, [String])
  /// An entry of a layer that cannot be.
  case field(layer: String, String)
  /// A name that no layer of the network has.
  case unknownLayer(String, near: [String])
}

extension PlanError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notAPlan(let path, let problem): "\(path): not a quantisation plan: \(problem)"
    case .option(let field, let value, let values):
      "the plan's \(field) '\(value)' is none of \(values.joined(separator: ", "))"
    case .field(let layer, let problem): "the plan's layer '\(layer)': \(problem)"
    case .unknownLayer(let name, let near):
      "the plan's layer '\(name)' is none of this network; the nearest are \(near.joined(separator: ", "))"
    }
  }
}
