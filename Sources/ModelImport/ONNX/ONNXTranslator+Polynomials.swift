import Checkpoints
import Operators
import Tensors

// The cubic in GELU's approximation, `x + 0.044715 x^3`, which exporters write in many ways. Sums and products of
// powers of a value, numbers and the value itself are kept as polynomials.

extension ONNXTranslator {
  /// Whether coefficients are those of `sqrt(2 / pi) (x + 0.044715 x^3)`.
  mutating func isGELUCubic(_ coefficients: [Double]) -> Bool {
    guard coefficients.count == 4, coefficients[0] == 0, coefficients[2] == 0 else { return false }
    let (slope, cubic) = (ActivationFunction.geluSlope, ActivationFunction.geluCubic)
    guard isRounded(coefficients[1], of: slope) else { return false }
    // The coefficient of the cube may be a number of its own, or a product with the slope.
    if isRounded(coefficients[3] / coefficients[1], of: cubic) { return true }
    return isRounded(coefficients[3], of: slope * cubic)
  }

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

  /// Both inputs as polynomials of the same value, if either is more than the value or a number; `nil` otherwise.
  private func polynomials(
    _ node: ONNXModel.Node
  ) throws(ImportError) -> (base: ONNXActivation, a: [Double], b: [Double])? {
    guard node.inputs.count == 2 else { return nil }
    let (a, b) = (try polynomial(node, 0), try polynomial(node, 1))
    if let a, let b {
      guard a.isPower || b.isPower, a.base.shape == b.base.shape, a.base.channelAxis == b.base.channelAxis else {
        return nil
      }
      if a.base.value == b.base.value { return (a.base, a.coefficients, b.coefficients) }
      // One of them may be scaled before: sqrt(2 / pi) x (1 + 0.044715 x^2).
      if !a.isPower, let linear = linear(a.base, of: b.base) { return (b.base, linear, b.coefficients) }
      if !b.isPower, let linear = linear(b.base, of: a.base) { return (a.base, a.coefficients, linear) }
      return nil
    }
    if let a, a.isPower, let number = try number(node, 1) { return (a.base, a.coefficients, [number]) }
    if let b, b.isPower, let number = try number(node, 0) { return (b.base, [number], b.coefficients) }
    return nil
  }

  /// The coefficients of an activation that is the multiple of another plus a number; `nil` for other activations.
  private func linear(_ activation: ONNXActivation, of base: ONNXActivation) -> [Double]? {
    let form = affine(activation.value, downTo: base.value)
    return form.value == base.value ? [form.offset, form.factor] : nil
  }

  /// The sum of two polynomials of a value; `nil` for other sums.
  func polynomialSum(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    guard let (base, a, b) = try polynomials(node) else { return nil }
    let sum = (0..<max(a.count, b.count)).map { (power: Int) -> Double in
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
