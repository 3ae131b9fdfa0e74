import Checkpoints
import Graphs
import Operators
import Tensors

/// Activation functions that models may express as several nodes: the product of x and a gate, where the gate is
/// - a sigmoid or a hard sigmoid of x, and the latter may be `clip(x + 3, 0, 6) / 6`,
/// - `1 + erf(x / sqrt(2))`, or `1 + tanh` of a cubic of x, which makes twice a GELU,
/// - `tanh(softplus(x))`, which makes Mish.
enum ONNXGate {
  /// The relative error of a product of numbers that are rounded to float32.
  static let roundingError = 1e-6

  /// Whether two numbers differ by no more than the rounding of factors to float32.
  static func isClose(_ value: Double, _ exact: Double) -> Bool {
    abs(value - exact) <= roundingError * abs(exact)
  }

  /// A number rounded to the eleven bits of half precision.
  static func half(_ value: Double) -> Double {
    guard value.isFinite, value != 0 else { return value }
    let unit = Double(sign: .plus, exponent: Int(value.exponent) - 10, significand: 1)
    return (value / unit).rounded(.toNearestOrEven) * unit
  }

  /// The function that is the product of x and a gate of x; `nil` if there is none.
  fileprivate static func product(_ gate: ActivationFunction) -> ActivationFunction? {
    switch gate {
    case .sigmoid: .silu
    case .hardSigmoid: .hardSwish
    case .erf: .gelu
    case .tanhGELUGate: .tanhGELU
    case .tanh: .mish
    default: nil
    }
  }
}

extension ONNXTranslator {
  /// Whether a number of the model stands for another one, such as 1/6: it is that number rounded to float32, or, in
  /// models that are stored in half precision, to that. A note states the latter.
  ///
  /// - Parameter given: a number of the model that `exact` is computed from. Half precision must have it exactly, for
  ///   the number to be rounded to that.
  mutating func isRounded(_ value: Double, of exact: Double, given: Double = 1) -> Bool {
    if ONNXGate.isClose(value, exact) { return true }
    guard weightType == .float16 else { return false }
    // Models may also divide by the number.
    let isHalf =
      ONNXGate.isClose(value, ONNXGate.half(exact)) || ONNXGate.isClose(1 / value, ONNXGate.half(1 / exact))
    guard isHalf, ONNXGate.half(given) == given else { return false }
    note(
      "the constants of activation functions are rounded to half precision; quern computes these functions with exact "
        + "ones")
    return true
  }

  /// Appends an activation function. The sigmoid of rows is a separate operator.
  mutating func append(
    _ function: ActivationFunction, of source: ONNXActivation, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    let op: any Operator = function == .sigmoid && source.isRow ? Sigmoid() : Nonlinearity(function)
    return try appendKeepingShape(op, node: node, source)
  }

  /// Appends `factor * x + offset`, in the form of a batch norm.
  mutating func appendScale(
    of source: ONNXActivation, factor: Double, offset: Double = 0, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    func repeated(_ value: Double) -> [Double] { [Double](repeating: value, count: source.channels) }
    return try appendScale(of: source, factors: repeated(factor), offsets: repeated(offset), node: node)
  }

  /// Appends `factor * x + offset` with numbers for each channel, in the form of a batch norm.
  mutating func appendScale(
    of source: ONNXActivation, factors: [Double], offsets: [Double], node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    let result = try appendKeepingShape(
      BatchNormalization(epsilon: 0), node: node, source,
      constants: BatchNormalization.affineConstants(
        scale: Tensor(factors.map { Float($0) }), shift: Tensor(offsets.map { Float($0) })))
    markArithmetic(result)
    return result
  }

  /// Appends the activation function that a product of two activations amounts to; `nil` where neither is a gate of the
  /// other.
  mutating func gated(_ node: ONNXModel.Node) throws(ImportError) -> ONNXActivation? {
    let (a, b) = (try activation(node, 0), try activation(node, 1))
    for (source, other) in [(a, b), (b, a)] where source.shape == other.shape && source.channelAxis == other.channelAxis
    {
      // The source may be scaled before it is multiplied with the gate: 0.5 x (1 + erf(x / sqrt(2))).
      let unscaled = affine(source.value, downTo: nil)
      var candidates = [(source.value, 1.0)]
      if unscaled.offset == 0, unscaled.value != source.value { candidates.append((unscaled.value, unscaled.factor)) }
      for (base, scale) in candidates {
        guard let (gate, gateFactor) = gate(other.value, of: base), let function = ONNXGate.product(gate) else {
          continue
        }
        var argument = source
        argument.value = base
        let result = try append(function, of: argument, node: node)
        let factor = scale * gateFactor
        return ONNXGate.isClose(factor, 1) ? result : try appendScale(of: result, factor: factor, node: node)
      }
    }
    return nil
  }

  /// The activation function that a value is a multiple of, if multiplying the value by `factor` undoes that; otherwise
  /// `nil`.
  mutating func undoingScale(of source: ONNXActivation, by factor: Double) -> ONNXActivation? {
    guard let scale = scales[source.value], scale.offset == 0,
      producers[scale.base].map({ graph.nodes[$0].op is Nonlinearity }) == true
    else { return nil }
    // Either of the two may be the one that is rounded.
    if !isRounded(factor, of: 1 / scale.factor, given: scale.factor) {
      guard isRounded(scale.factor, of: 1 / factor, given: factor) else { return nil }
    }
    var result = source
    result.value = scale.base
    return result
  }

  /// The gate of `base` that a value is a multiple of: the value is `factor * function(base)`. `nil` where it is not
  /// one.
  private mutating func gate(
    _ value: ValueID, of base: ValueID
  ) -> (function: ActivationFunction, factor: Double)? {
    let (gate, factor, offset) = affine(value, downTo: base)
    guard let producer = producers[gate].map({ graph.nodes[$0] }) else { return nil }
    if let function = (producer.op as? Nonlinearity)?.function, ONNXGate.isClose(offset, factor) {
      return onePlusGate(function, of: producer.inputs[0], base).map { ($0, 2 * factor) }
    }
    guard offset == 0 else { return nil }
    if producer.op is Sigmoid, producer.inputs[0] == base { return (.sigmoid, factor) }
    if let function = (producer.op as? Nonlinearity)?.function, producer.inputs[0] == base {
      return [.sigmoid, .hardSigmoid].contains(function) ? (function, factor) : nil
    }
    if (producer.op as? Nonlinearity)?.function == .tanh, let inner = producers[producer.inputs[0]],
      (graph.nodes[inner].op as? Nonlinearity)?.function == .softplus, graph.nodes[inner].inputs[0] == base
    {
      return (.tanh, factor)
    }
    // A hard sigmoid: clip(y, 0, h) is h * clip(y / h, 0, 1).
    let (clipped, minimum, height) = bounds(gate)
    // The lower bound is missing where no value is below it.
    let isKeptAboveZero = minimum == 0 || minimum < 0 && lowerBounds[clipped, default: -.infinity] >= 0
    guard isKeptAboveZero, height > 0, height < .infinity else { return nil }
    let (source, slope, shift) = affine(clipped, downTo: base)
    guard source == base, ONNXGate.isClose(2 * shift, height), isRounded(slope, of: height / 6, given: height) else {
      return nil
    }
    return (.hardSigmoid, isRounded(factor, of: 1 / height, given: height) ? 1 : factor * height)
  }

  /// The gate that 1 plus a function of a value amounts to; `nil` for other functions.
  private mutating func onePlusGate(
    _ function: ActivationFunction, of value: ValueID, _ base: ValueID
  ) -> ActivationFunction? {
    switch function {
    case .tanhGELUGate: return value == base ? function : nil
    case .erf:
      let argument = affine(value, downTo: base)
      guard argument.value == base, argument.offset == 0, isRounded(argument.factor, of: 0.5.squareRoot()) else {
        return nil
      }
      return function
    default: return nil
    }
  }

  /// The number of nodes of arithmetic, or of bounds, that are followed. Gates have up to three of each.
  private static let longestChain = 32

  /// A value as `factor * x + offset`, where x is the input of the arithmetic with scalars that leads to the value. It
  /// goes back to `base` at most, and by `longestChain` nodes.
  func affine(
    _ value: ValueID, downTo base: ValueID?
  ) -> (value: ValueID, factor: Double, offset: Double) {
    var (value, factor, offset) = (value, 1.0, 0.0)
    for _ in 0..<Self.longestChain {
      guard value != base, let scale = scales[value] else { break }
      (value, factor, offset) = (scale.base, factor * scale.factor, factor * scale.offset + offset)
    }
    return (value, factor, offset)
  }

  /// Records the input, factor and offset of a node of arithmetic, where that is with scalars.
  mutating func recordScale(of value: ValueID) {
    guard let node = producers[value].map({ graph.nodes[$0] }), let op = node.op as? any ChannelAffineOperator,
      let (factors, offsets) = try? op.affine(node.constants), let factor = factors.first, let offset = offsets.first,
      factors.allSatisfy({ $0 == factor }), offsets.allSatisfy({ $0 == offset })
    else { return }
    scales[value] = Scale(base: node.inputs[0], factor: factor, offset: offset)
  }

  /// The bounds that a chain of clips and ReLUs sets for a value, and the value before them. Of a chain longer than
  /// `longestChain`, the bounds that its last nodes set.
  private func bounds(_ value: ValueID) -> (value: ValueID, minimum: Double, maximum: Double) {
    var (value, minimum, maximum) = (value, -Double.infinity, Double.infinity)
    for _ in 0..<Self.longestChain {
      guard let node = producers[value].map({ graph.nodes[$0] }) else { break }
      let (low, high): (Double, Double)
      switch node.op {
      case let clip as Clip: (low, high) = (clip.minimum, clip.maximum)
      case is ReLU: (low, high) = (0, .infinity)
      default: return (value, minimum, maximum)
      }
      // The bounds of the earlier node are themselves clipped to those of the later ones.
      (minimum, maximum) = (min(max(low, minimum), maximum), max(min(high, maximum), minimum))
      value = node.inputs[0]
    }
    return (value, minimum, maximum)
  }
}
