import Graphs

/// A function that networks apply to each element of a map or a row. The raw values are stored in packages.
///
/// Adding a function takes a case with its definition here: `Nonlinearity` then computes it in float32 and, by tables,
/// in int8. Reading it from ONNX and writing it take one line each (`ONNXTranslations.activations`,
/// `ONNXExporter.emit`), and so does the test reference (`ActivationReference`). All tests walk `allCases`.
package enum ActivationFunction: String, CaseIterable, Sendable, Hashable {
  /// `x`.
  case none
  /// `max(x, 0)`.
  case relu
  /// `min(max(x / 6 + 1 / 2, 0), 1)`.
  case hardSigmoid = "hard_sigmoid"
  /// `x min(max(x / 6 + 1 / 2, 0), 1)` (Howard et al., "Searching for MobileNetV3", arXiv 1905.02244, section 5.2).
  case hardSwish = "hard_swish"
  /// `1 / (1 + exp(-x))`.
  case sigmoid
  /// `x / (1 + exp(-x))` (Ramachandran et al., "Searching for Activation Functions", arXiv 1710.05941, with beta = 1).
  case silu

  /// Everything that differs between functions.
  private struct Definition: Sendable {
    /// The function in double precision. It uses only the basic operations of IEEE 754, so that results are the same
    /// bits on every machine.
    let formula: @Sendable (Double) -> Double
    /// The formula for an array of float32 numbers, with each result rounded once.
    let loop: @Sendable (UnsafePointer<Float>, Int, UnsafeMutablePointer<Float>) -> Void
    /// The argument of the minimum: the function does not increase before it and does not decrease after it.
    let risesFrom: Double
    /// Arguments outside of this range give nearly the same results as its bounds, so they may be clipped to it.
    let responsiveRange: ClosedRange<Double>
    /// The bound of a function of the form `max(x, bound)`, minus infinity or 0; epilogues of other operators can apply
    /// these. `nil` for other functions.
    let epilogueMinimum: Double?

    /// Inlined, so that the compiler inlines the formula into the loop, too.
    @inline(__always)
    init(
      risesFrom: Double = -.infinity, responsiveRange: ClosedRange<Double> = -.infinity...Double.infinity,
      epilogueMinimum: Double? = nil, formula: @escaping @Sendable (Double) -> Double
    ) {
      precondition(
        epilogueMinimum == nil || epilogueMinimum == 0 || epilogueMinimum == -.infinity,
        "epilogues apply no minimum but 0")
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
    // Beyond -8 and 8, the sigmoid is within 3e-4 of 0 and 1, a twelfth of a level.
    case .sigmoid:
      Definition(responsiveRange: -8...8) { 1 / (1 + exponential(-$0)) }
    // Below -10, SiLU is within 5e-4 of 0.
    case .silu:
      Definition(risesFrom: -1.278_464_542_761_073_8, responsiveRange: -10...Double.infinity) {
        $0 / (1 + exponential(-$0))
      }
    }
  }

  /// The function in double precision.
  package func callAsFunction(_ x: Double) -> Double { definition.formula(x) }

  /// The function of float32 numbers, computed in double precision and rounded once. Mathematical libraries differ in
  /// the last bit of a single-precision exponential, which would change how later layers round.
  ///
  /// - Parameter count: The number of elements of `input` and of `output`.
  package func apply(_ input: UnsafePointer<Float>, _ count: Int, to output: UnsafeMutablePointer<Float>) {
    definition.loop(input, count, output)
  }

  /// A lower bound of the function's results for arguments that are not below `bound`.
  package func lowerBound(_ bound: Double) -> Double {
    let minimum = self(max(bound, definition.risesFrom))
    // Results are float32, so rounding can lower them.
    return fitsEpilogues ? minimum : min(minimum, Double(Float(minimum)))
  }

  /// The range of arguments to which the function responds: others give nearly the same results as its bounds.
  package var responsiveRange: ClosedRange<Double> { definition.responsiveRange }
}

// MARK: - Epilogues

extension ActivationFunction {
  /// Whether convolutions, additions and channel scalings can apply the function before they store a result. They can
  /// if the function only enforces a minimum, which has no cost and is the same on levels and on real numbers. Others
  /// are `Nonlinearity` operators: one more pass over a map of bytes costs little, and kernels need not implement them.
  package var fitsEpilogues: Bool { definition.epilogueMinimum != nil }

  /// The minimum of real values that an epilogue enforces.
  var realMinimum: Float { Float(definition.epilogueMinimum ?? -.infinity) }

  /// The value of the kernels' flag `relu`, which applies to results stored as float32.
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

/// How the epilogue of a layer stores levels.
struct Epilogue: Sendable {
  let activation: ActivationFunction
  /// The output's zero point; 0 where the output is float32.
  let zeroPoint: Int32
  /// The minimum of levels that the activation enforces.
  let levelMinimum: Int32

  init(_ activation: ActivationFunction, _ output: ValueFormat) {
    self.activation = activation
    zeroPoint = Int32(output.quantization?.zeroPoint ?? 0)
    levelMinimum = activation.kernelFlag == 1 ? zeroPoint : 0
  }
}
