import CKernels
import Graphs
import Tensors

extension ActivationFunction {
  /// Whether convolutions, additions and channel scalings can apply the function before they store a result. They can
  /// if the function only enforces bounds, which has no cost and is the same on levels and on real numbers. Others are
  /// `Nonlinearity` operators.
  package var fitsEpilogues: Bool { bounds != nil }

  /// The bounds that the function enforces; `nil` for functions that do anything else.
  package var bounds: (minimum: Double, maximum: Double)? {
    switch self {
    case .none: (-.infinity, .infinity)
    case .relu: (0, .infinity)
    case .clip(let minimum, let maximum): (minimum, maximum)
    default: nil
    }
  }

  /// A float32 within the bounds of a function that fits epilogues. NaN stays NaN.
  @inline(__always)
  static func bounded(_ x: Float, _ bounds: (minimum: Float, maximum: Float)) -> Float {
    min(max(x, bounds.minimum), bounds.maximum)
  }

  /// The bounds of float32 values that an epilogue enforces; infinite for a function that fits none.
  var realBounds: (minimum: Float, maximum: Float) {
    bounds.map { (Float($0.minimum), Float($0.maximum)) } ?? (-.infinity, .infinity)
  }

  /// The bounds for results that kernels store as float32.
  var clamp: quern_clamp {
    quern_clamp(is_set: self == .none ? 0 : 1, min: realBounds.minimum, max: realBounds.maximum)
  }

  /// The levels nearest to the bounds, within 0...255 (formats/package.md, "Requantisation").
  package func levelBounds(_ parameters: QuantizationParameters) -> ClosedRange<UInt8> {
    guard let bounds else { return 0...255 }
    func level(_ bound: Double) -> UInt8 {
      let level = (Float(bound) / parameters.scale).rounded(.toNearestOrEven) + Float(parameters.zeroPoint)
      return UInt8(min(max(level, 0), 255))
    }
    return level(bounds.minimum)...level(bounds.maximum)
  }

  /// Reads the attribute `activation` of an operator with an epilogue.
  ///
  /// - Throws: `GraphError.attribute` where it is missing or names a function that epilogues do not apply.
  init(attributes: Attributes) throws(GraphError) {
    try self.init(attributes, "activation", inEpilogue: true)
  }
}

/// How the epilogue of a layer stores levels.
struct Epilogue: Sendable {
  let activation: ActivationFunction
  /// The output's zero point; 0 where the output is float32.
  let zeroPoint: Int32
  /// The bounds of levels that the activation enforces.
  let levels: (minimum: Int32, maximum: Int32)

  init(_ activation: ActivationFunction, _ output: ValueFormat) {
    self.activation = activation
    zeroPoint = Int32(output.quantization?.zeroPoint ?? 0)
    let levels = output.quantization.map { activation.levelBounds($0) } ?? 0...255
    self.levels = (Int32(levels.lowerBound), Int32(levels.upperBound))
  }
}
