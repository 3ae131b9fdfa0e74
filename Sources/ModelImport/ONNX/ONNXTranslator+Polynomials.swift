import Checkpoints
import Tensors

// The cubic in GELU's approximation, `x + 0.044715 x^3`, which exporters write in many ways. Sums and products of powers
// of a value, numbers and the value itself are kept as polynomials.

extension ONNXGate {
  /// Whether coefficients are those of `sqrt(2 / pi) (x + 0.044715 x^3)`.
  static func isGELUCubic(_ coefficients: [Double]) -> Bool {
    let expected = [0, 0.797_884_560_802_865_4, 0, 0.797_884_560_802_865_4 * 0.044715]
    return coefficients.count == expected.count
      && zip(coefficients, expected).allSatisfy { abs($0 - $1) <= tolerance * $1 }
  }
}

extension ONNXTranslator {
  /// An activation, a square or cube of one, or a polynomial, as a polynomial of degree 3 at most; `nil` for other
  /// inputs. `isPower` is false for activations as they are.
  private func polynomial(
    _ node: ONNXModel.Node, _ index: Int
  ) throws(ImportError) -> (base: ONNXActivation, coefficients: [Double], isPower: Bool)? {
    switch try value(node, index) {
    case .activation(let base): (base, [0, 1], false)
    case .step(.polynomial(let base, let coefficients)): (base, coefficients, true)
    case .step(.power(let base, nil, 2)): (base, [0, 0, 1], true)
    case .step(.power(let base, nil, 3)): (base, [0, 0, 0, 1], true)
    default: nil
    }
  }

  /// The number that a constant input holds; `nil` for other inputs.
  private func number(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> Double? {
    guard case .constant(let tensor) = try value(node, index), tensor.elementCount == 1 else { return nil }
    return ONNXArray(tensor)?.values[0]
  }

  /// Both inputs as polynomials of the same value, one of which is more than the value or a number; `nil` otherwise.
  private func polynomials(
    _ node: ONNXModel.Node
  ) throws(ImportError) -> (base: ONNXActivation, a: [Double], b: [Double])? {
    guard node.inputs.count == 2 else { return nil }
    let (a, b) = (try polynomial(node, 0), try polynomial(node, 1))
    if let a, let b {
      guard a.isPower || b.isPower, a.base.value == b.base.value, a.base.channelAxis == b.base.channelAxis else {
        return nil
      }
      return (a.base, a.coefficients, b.coefficients)
    }
    if let a, a.isPower, let number = try number(node, 1) { return (a.base, a.coefficients, [number]) }
    if let b, b.isPower, let number = try number(node, 0) { return (b.base, [number], b.coefficients) }
    return nil
  }

  /// The sum of two polynomials of a value; `nil` for other sums.
  func polynomialSum(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    guard let (base, a, b) = try polynomials(node) else { return nil }
    let sum = (0..<max(a.count, b.count)).map { power in
      (power < a.count ? a[power] : 0) + (power < b.count ? b[power] : 0)
    }
    return .step(.polynomial(base, sum))
  }

  /// The product of two polynomials of a value, of degree 3 at most; `nil` for other products.
  func polynomialProduct(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    guard let (base, a, b) = try polynomials(node), a.count + b.count <= 5 else { return nil }
    var product = [Double](repeating: 0, count: a.count + b.count - 1)
    for (i, x) in a.enumerated() { for (j, y) in b.enumerated() { product[i + j] += x * y } }
    return .step(.polynomial(base, product))
  }
}
