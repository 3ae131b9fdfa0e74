import Graphs

/// A function that networks apply to each element of a map or a row.
///
/// This is the one place that knows a function: a new one is a case with its definition here. `Nonlinearity` computes it in
/// float and, by tables, in int8. Reading it from ONNX and writing it take a line each (`ONNXTranslations.activations`,
/// `ONNXExporter.emit`), and so does the test reference (`ActivationReference`); all tests walk `allCases`.
package enum ActivationFunction: String, CaseIterable, Sendable, Hashable {
  case none
  case relu
  /// `min(max(x / 6 + 1 / 2, 0), 1)`
  case hardSigmoid = "hard_sigmoid"
  /// `x min(max(x / 6 + 1 / 2, 0), 1)` (Howard et al., "Searching for MobileNetV3", arXiv 1905.02244, section 5.2).
  case hardSwish = "hard_swish"
  /// `1 / (1 + exp(-x))`
  case sigmoid
  /// `x / (1 + exp(-x))` (Ramachandran et al., "Searching for Activation Functions", arXiv 1710.05941, with beta = 1).
  case silu

  /// What the rest of this module needs to know of a function.
  private struct Definition: Sendable {
    /// In double precision, of IEEE 754's basic operations alone, so that it is the same bits on every machine.
    let formula: @Sendable (Double) -> Double
    /// The formula for an array of float32 numbers, each result rounded once.
    let loop: @Sendable (UnsafePointer<Float>, Int, UnsafeMutablePointer<Float>) -> Void
    /// The least argument from which on the function does not decrease; it decreases, or is constant, before.
    let risesFrom: Double
    /// Arguments beyond this range give what its bounds give, or nearly so: an argument need not be held beyond it.
    let responsiveRange: ClosedRange<Double>
    /// Set where the function is `max(x, minimum)`, which epilogues of other operators apply: minus infinity or zero.
    let epilogueMinimum: Double?

    /// Inlined, so that the loop is one of the formula's instructions and not of calls.
    @inline(__always)
    init(
      risesFrom: Double = -.infinity, responsiveRange: ClosedRange<Double> = -.infinity...Double.infinity,
      epilogueMinimum: Double? = nil, formula: @escaping @Sendable (Double) -> Double
    ) {
      (self.risesFrom, self.responsiveRange, self.epilogueMinimum) = (risesFrom, responsiveRange, epilogueMinimum)
      self.formula = formula
      loop = { input, count, output in
        for index in 0..<count { output[index] = Float(formula(Double(input[index]))) }
      }
    }
  }

  private var definition: Definition {
    switch self {
    case .none: Definition(epilogueMinimum: -.infinity) { $0 }
    case .relu: Definition(epilogueMinimum: 0) { max($0, 0) }
    case .hardSigmoid: Definition(responsiveRange: -3...3) { min(max($0 / 6 + 0.5, 0), 1) }
    case .hardSwish:
      Definition(risesFrom: -1.5, responsiveRange: -3...Double.infinity) { $0 * min(max($0 / 6 + 0.5, 0), 1) }
    // 3e-4 from its limits beyond 8, a twelfth of a level.
    case .sigmoid:
      Definition(responsiveRange: -8...8) { 1 / (1 + exponential(-$0)) }
    // 5e-4 from zero below -10.
    case .silu:
      Definition(risesFrom: -1.278_464_542_761_073_8, responsiveRange: -10...Double.infinity) {
        $0 / (1 + exponential(-$0))
      }
    }
  }

  /// The function in double precision.
  package func callAsFunction(_ x: Double) -> Double { definition.formula(x) }

  /// The function of float32 numbers: computed in double precision and rounded once. Mathematical libraries differ in the
  /// last bit of a single-precision exponential, and a value that differs so moves roundings.
  package func apply(_ input: UnsafePointer<Float>, _ count: Int, to output: UnsafeMutablePointer<Float>) {
    definition.loop(input, count, output)
  }

  /// What no value of the function is below, if none of its argument is below `bound`.
  package func lowerBound(_ bound: Double) -> Double {
    let least = self(max(bound, definition.risesFrom))
    // Results are float32.
    return fitsEpilogues ? least : min(least, Double(Float(least)))
  }

  /// The arguments that the function tells apart.
  package var responsiveRange: ClosedRange<Double> { definition.responsiveRange }
}

// MARK: - Epilogues

extension ActivationFunction {
  /// Whether convolutions, additions and channel scalings can apply the function before they store a result. That is for
  /// functions that keep values above a minimum: on levels as on real numbers, and at no cost. Others are operators of
  /// their own: one more pass over a map of bytes costs little, and no kernel has to know them.
  package var fitsEpilogues: Bool { definition.epilogueMinimum != nil }

  /// What an epilogue keeps real values above.
  var realMinimum: Float { Float(definition.epilogueMinimum ?? -.infinity) }

  /// What kernels are told by their flag `relu`, for results that they store as float.
  var kernelFlag: Int32 { definition.epilogueMinimum == 0 ? 1 : 0 }

  /// Reads the attribute `activation` of an operator with an epilogue.
  ///
  /// - Throws: `GraphError.attribute` where it is missing or names a function that epilogues do not apply.
  init(attributes: Attributes) throws(GraphError) {
    guard let function = ActivationFunction(rawValue: try attributes.string("activation")), function.fitsEpilogues
    else {
      let names = Self.allCases.filter(\.fitsEpilogues).map { "'\($0.rawValue)'" }
      throw .attribute(name: "activation", expected: names.joined(separator: " or "))
    }
    self = function
  }
}

/// How the last step of a layer stores levels.
struct Epilogue: Sendable {
  let activation: ActivationFunction
  /// 0 where the output is float32.
  let zeroPoint: Int32
  /// What the activation keeps levels above.
  let levelMinimum: Int32

  init(_ activation: ActivationFunction, _ output: ValueFormat) {
    self.activation = activation
    zeroPoint = Int32(output.quantization?.zeroPoint ?? 0)
    levelMinimum = activation.kernelFlag == 1 ? zeroPoint : 0
  }
}
