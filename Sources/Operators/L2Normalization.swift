import Graphs
import Kernels
import Tensors

/// `x / (||x||_2 + epsilon)` for each row [N, D], or with epsilon in another position by `rule`. Float32 only; the
/// squares are summed in double precision.
package struct L2Normalization: Operator {
  package static let wireName = "l2_normalization"
  package static let arity = 1...1

  /// How epsilon keeps the divisor of a row of zeros from being zero. The raw values are stored in packages.
  package enum EpsilonRule: String, Sendable, Hashable, CaseIterable {
    /// `||x|| + epsilon`.
    case added
    /// `max(||x||, epsilon)`, as in PyTorch's `functional.normalize`.
    case floor
    /// `sqrt(sum of squares + epsilon)`.
    case insideRoot = "inside_root"
  }

  /// At least 0.
  package var epsilon: Double
  /// How epsilon enters the divisor.
  package var rule: EpsilonRule

  package init(epsilon: Double = 1e-6, rule: EpsilonRule = .added) {
    self.epsilon = epsilon
    self.rule = rule
  }
  package init(attributes: Attributes) throws(GraphError) {
    epsilon = try attributes.float("epsilon")
    guard epsilon >= 0, epsilon.isFinite else { throw .attribute(name: "epsilon", expected: "at least 0") }
    rule = .added
    if attributes["rule"] != nil {
      guard let rule = EpsilonRule(rawValue: try attributes.string("rule")) else {
        throw .attribute(
          name: "rule", expected: EpsilonRule.allCases.map { "'\($0.rawValue)'" }.joined(separator: " or "))
      }
      self.rule = rule
    }
  }
  package var attributes: Attributes {
    var result: Attributes = ["epsilon": .float(epsilon)]
    if rule != .added { result["rule"] = .string(rule.rawValue) }
    return result
  }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double {
    bounds[0] >= 0 ? 0 : -1
  }
  package var quantizationRule: QuantizationRule { .float }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    guard inputs[0].rank == 2 else { throw .shape("L2 normalisation takes rows, not \(inputs[0])") }
    return inputs[0]
  }
}

extension L2Normalization {
  /// The number that a row is divided by.
  func divisor(sumOfSquares sum: Double) -> Float {
    switch rule {
    case .added: Float(sum.squareRoot()) + Float(epsilon)
    case .floor: max(Float(sum.squareRoot()), Float(epsilon))
    case .insideRoot: Float((sum + epsilon).squareRoot())
    }
  }
}

extension L2Normalization: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.requireFloat(Self.wireName)
    try context.refuseConstants(except: [])
    let op = self
    return ElementwiseOperator { shape, buffers, range in
      for index in range {
        let row = buffers.inputs[0].assumingMemoryBound(to: Float.self) + index * shape.channels
        let output = buffers.output.assumingMemoryBound(to: Float.self) + index * shape.channels
        var sum = 0.0
        for channel in 0..<shape.channels { sum += Double(row[channel]) * Double(row[channel]) }
        let norm = op.divisor(sumOfSquares: sum)
        for channel in 0..<shape.channels { output[channel] = row[channel] / norm }
      }
    }
  }
}
