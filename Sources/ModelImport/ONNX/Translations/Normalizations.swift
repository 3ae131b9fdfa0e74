import Checkpoints
import Operators
import Tensors

/// A step of layer normalisation over the channels of a value.
struct ONNXMoment {
  enum Kind {
    /// The mean over the channels.
    case mean
    /// The value minus its mean.
    case centred
    /// The squares of the centred value.
    case squares
    /// Their mean, plus epsilon.
    case variance
    /// The root of the variance.
    case deviation
    /// 1 divided by the root of the variance.
    case inverseDeviation
  }

  let base: ONNXActivation
  var kind: Kind
  var epsilon = 0.0
  var shape: Shape

  var meaning: String {
    switch kind {
    case .mean: "a mean over the channels"
    case .centred, .squares: "a value minus its mean over the channels"
    case .variance, .deviation, .inverseDeviation: "a variance over the channels"
    }
  }

  /// Whether another step is of the same value, with the same axes.
  func hasBase(of other: ONNXMoment) -> Bool {
    base.value == other.base.value && base.shape == other.base.shape && base.channelAxis == other.base.channelAxis
  }

  /// A power of the step that is a step as well; `nil` for others.
  func raised(to exponent: Double) -> ONNXMoment? {
    var result = self
    switch (kind, exponent) {
    case (.centred, 2): result.kind = .squares
    case (.variance, 0.5): result.kind = .deviation
    case (.variance, -0.5), (.deviation, -1): result.kind = .inverseDeviation
    default: return nil
    }
    return result
  }
}

extension ONNXTranslations {
  static let normalizations: [String: ONNXTranslation] = [
    "LayerNormalization": { translator, node throws(ImportError) in
      let source = try translator.activation(node, 0)
      let rank = source.shape.rank
      let requested = try translator.integer(node, "axis", default: -1)
      guard let axis = ONNXShapes.axes([requested], rank: rank)?.first else {
        throw translator.bad(node, "has an axis \(requested), but its input has \(rank) axes")
      }
      guard axis == source.channelAxis, axis == rank - 1 else {
        throw translator.unsupported(
          node, "it normalises \(source.shape) over the axes from \(axis) on, and quern only over the channels")
      }
      let epsilon = ONNXMath.decimal(try translator.float(node, "epsilon") ?? Double(Float(1e-5)))
      let weight = try translator.weights(node, 1, rank: 1).contiguous()
      let bias = translator.hasInput(node, 2) ? try translator.weights(node, 2, rank: 1).contiguous() : nil
      return .activation(
        try translator.appendLayerNormalization(of: source, epsilon: epsilon, weight: weight, bias: bias, node: node))
    }
  ]
}

// MARK: - Layer normalisation in several nodes

extension ONNXTranslator {
  /// Appends a layer normalisation over the channels.
  mutating func appendLayerNormalization(
    of source: ONNXActivation, epsilon: Double, weight: Tensor? = nil, bias: Tensor? = nil, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    guard epsilon >= 0, epsilon.isFinite else { throw bad(node, "has the epsilon \(epsilon)") }
    let count = source.channels
    return try appendKeepingShape(
      LayerNormalization(epsilon: epsilon), node: node, source,
      constants: [
        "weight": weight ?? Tensor([Float](repeating: 1, count: count)),
        "bias": bias ?? Tensor([Float](repeating: 0, count: count)),
      ])
  }

  /// The moment of an input; `nil` where it is none.
  private func moment(_ node: ONNXModel.Node, _ index: Int) throws(ImportError) -> ONNXMoment? {
    guard case .step(.moment(let moment)) = try value(node, index) else { return nil }
    return moment
  }

  /// A mean over the channels: of an activation, or of the squares of the centred value. An activation is shared with
  /// the node that subtracts the mean.
  ///
  /// - Returns: `nil` for reductions over other axes.
  mutating func channelMean(
    _ node: ONNXModel.Node, axes: Set<Int>, keepsAxes: Bool
  ) throws(ImportError) -> ONNXMoment? {
    var result: ONNXMoment
    switch try value(node, 0) {
    case .activation(let base) where axes == [base.channelAxis] && base.channels > 1:
      result = ONNXMoment(base: base, kind: .mean, shape: base.shape)
    case .step(.reduced(let reduction)) where axes == [reduction.channelAxis] && reduction.isPooled:
      result = ONNXMoment(base: try sharedActivation(node, 0), kind: .mean, shape: reduction.shape)
    case .step(.clipped(let base, _)) where axes == [base.channelAxis] && base.channels > 1:
      result = ONNXMoment(base: try sharedActivation(node, 0), kind: .mean, shape: base.shape)
    case .step(.cropped(let base, _, let shape)), .step(.padded(let base, _, let shape)):
      guard axes == [base.channelAxis], keepsAxes else { return nil }
      result = ONNXMoment(base: try sharedActivation(node, 0), kind: .mean, shape: shape)
    case .step(.moment(let moment)) where moment.kind == .squares && axes == [moment.base.channelAxis]:
      result = moment
      result.kind = .variance
    default: return nil
    }
    guard keepsAxes else { return nil }
    result.shape.dimensions[result.base.channelAxis] = 1
    return result
  }

  /// The difference of an activation and its mean over the channels; `nil` for other differences.
  func centred(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    guard let mean = try moment(node, 1), mean.kind == .mean, case .activation(let base) = try value(node, 0) else {
      return nil
    }
    let centred = ONNXMoment(base: base, kind: .centred, shape: base.shape)
    return centred.hasBase(of: mean) ? .step(.moment(centred)) : nil
  }

  /// The sum of a variance and a constant; `nil` for other sums.
  func variancePlusEpsilon(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    for index in 0...1 {
      guard var variance = try moment(node, index), variance.kind == .variance, try value(node, 1 - index).isConstant,
        let epsilon = try scalar(node, 1 - index), epsilon >= 0
      else { continue }
      variance.epsilon = ONNXMath.decimal(variance.epsilon + epsilon)
      return .step(.moment(variance))
    }
    return nil
  }

  /// The centred value divided by its deviation; `nil` for other quotients.
  mutating func normalizedQuotient(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    guard let centred = try moment(node, 0), centred.kind == .centred, let deviation = try moment(node, 1),
      deviation.kind == .deviation, centred.hasBase(of: deviation)
    else { return nil }
    return .activation(try appendLayerNormalization(of: centred.base, epsilon: deviation.epsilon, node: node))
  }

  /// The product of the centred value and the inverse of its deviation, or the centred value's square; `nil` for other
  /// products.
  mutating func normalizedProduct(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    for index in 0...1 {
      guard let centred = try moment(node, index), centred.kind == .centred else { continue }
      if node.inputs[0] == node.inputs[1], let squares = centred.raised(to: 2) { return .step(.moment(squares)) }
      guard let inverse = try moment(node, 1 - index), inverse.kind == .inverseDeviation,
        centred.hasBase(of: inverse)
      else { continue }
      return .activation(try appendLayerNormalization(of: centred.base, epsilon: inverse.epsilon, node: node))
    }
    return nil
  }
}
