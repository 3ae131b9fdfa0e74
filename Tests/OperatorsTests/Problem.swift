import Graphs
import Operators
import ReferenceOperators
import Tensors

/// One evaluation of an operator and what must come out of it.
struct Problem: Sendable {
  enum Expectation: Sendable {
    /// These bits.
    case exact(Elements)
    /// These values, each within a bound.
    case near([Double], bounds: [Double])
  }

  var op: any RunnableOperator
  var inputs: [Activation]
  var outputFormat: ValueFormat
  var constants: [String: Tensor] = [:]
  var shape: Shape
  var expected: Expectation

  /// A float problem, expected from the double-precision reference.
  init(float op: any RunnableOperator, _ inputs: [Activation], constants: [String: Tensor] = [:]) throws {
    let result = try FloatReference.evaluate(
      op, inputs.map { ($0.shape, $0.elements.reals($0.format)) }, constants: constants)
    (self.op, self.inputs, self.constants, outputFormat) = (op, inputs, constants, .float32)
    (shape, expected) = (result.shape, .near(result.values, bounds: result.bounds))
  }

  init(
    _ op: any RunnableOperator, _ inputs: [Activation], outputFormat: ValueFormat, constants: [String: Tensor] = [:],
    shape: Shape, exactly elements: Elements
  ) {
    (self.op, self.inputs, self.constants, self.outputFormat) = (op, inputs, constants, outputFormat)
    (self.shape, expected) = (shape, .exact(elements))
  }

  /// What is wrong with an outcome; `nil` if nothing is.
  func complaint(about outcome: (shape: Shape, elements: Elements)) -> String? {
    guard outcome.shape == shape else { return "shape \(outcome.shape), not \(shape)" }
    switch expected {
    case .exact(let elements):
      return outcome.elements == elements ? nil : "other bits: \(first(outcome.elements, elements))"
    case .near(let values, let bounds):
      guard let floats = outcome.elements.floats, floats.count == values.count else { return "no floats" }
      for index in values.indices where !(abs(Double(floats[index]) - values[index]) <= bounds[index] + 1e-37) {
        return "element \(index): \(floats[index]), not \(values[index]) within \(bounds[index])"
      }
      return nil
    }
  }

  private func first(_ a: Elements, _ b: Elements) -> String {
    switch (a, b) {
    case (.float(let a), .float(let b)):
      guard let index = a.indices.first(where: { a[$0].bitPattern != b[$0].bitPattern }) else { return "none" }
      return "element \(index): \(a[index]), not \(b[index])"
    case (.uint8(let a), .uint8(let b)):
      guard let index = a.indices.first(where: { a[$0] != b[$0] }) else { return "none" }
      return "element \(index): \(a[index]), not \(b[index])"
    default: return "other formats"
    }
  }
}
