import Graphs

/// A function that networks apply to each element of a map or a row.
///
/// Adding a function takes a case with its definition here and its name in `ActivationFunction+Attributes.swift`:
/// `Nonlinearity` then computes it in float32 and, by tables, in int8. Reading it from ONNX and writing it take one
/// line each (`ONNXTranslations.activations`, `ONNXExporter.emit`), and so does the test reference
/// (`ActivationReference`). All tests walk `examples`.
package enum ActivationFunction: Sendable, Hashable {
  /// `x`.
  case none
  /// `max(x, 0)`.
  case relu
  /// `min(max(x, minimum), maximum)`; a ReLU6 has the bounds 0 and 6. One of the bounds may be infinite.
  case clip(minimum: Double, maximum: Double)
  /// `x` where it is positive, else `slope x` (Maas et al., "Rectifier Nonlinearities Improve Neural Network Acoustic
  /// Models", 2013, section 2). The slope is finite and not 0.
  case leakyReLU(slope: Double)
  /// `x` where it is positive, else `alpha (exp(x) - 1)` (Clevert et al., arXiv 1511.07289, equation 15). Alpha is
  /// positive and finite.
  case elu(alpha: Double)
  /// `min(max(x / 6 + 1 / 2, 0), 1)`.
  case hardSigmoid
  /// `x min(max(x / 6 + 1 / 2, 0), 1)` (Howard et al., "Searching for MobileNetV3", arXiv 1905.02244, section 5.2).
  case hardSwish
  /// `1 / (1 + exp(-x))`.
  case sigmoid
  /// `x / (1 + exp(-x))` (Ramachandran et al., "Searching for Activation Functions", arXiv 1710.05941, with beta = 1).
  case silu
  /// `x (1 + erf(x / sqrt(2))) / 2` (Hendrycks and Gimpel, arXiv 1606.08415, section 2).
  case gelu
  /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`, the approximation of GELU in the same section.
  case tanhGELU
  /// `tanh(sqrt(2 / pi) (x + 0.044715 x^3))`, which is part of `tanhGELU`.
  case tanhGELUGate
  /// `x tanh(log(1 + exp(x)))` (Misra, arXiv 1908.08681, equation 1).
  case mish
  /// `log(1 + exp(x))`.
  case softplus
  /// The hyperbolic tangent.
  case tanh
  /// The error function.
  case erf

  /// The factor `sqrt(2 / pi)` in the approximation of GELU.
  package static let geluSlope = 0.797_884_560_802_865_4
  /// The factor of `x^3` in the approximation of GELU.
  package static let geluCubic = 0.044715

  /// Functions of every kind, with sample parameters: their names are those that packages may contain, and tests walk
  /// them.
  package static let examples: [ActivationFunction] = [
    .none, .relu, .clip(minimum: 0, maximum: 6), .clip(minimum: -1, maximum: 1),
    .clip(minimum: -.infinity, maximum: 0.75), .leakyReLU(slope: 0.1), .leakyReLU(slope: -0.5), .elu(alpha: 1),
    .elu(alpha: 1.7), .hardSigmoid, .hardSwish, .sigmoid, .silu, .gelu, .tanhGELU, .tanhGELUGate, .mish, .softplus,
    .tanh, .erf,
  ]

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

    /// Inlined, so that the compiler inlines the formula into the loop, too.
    @inline(__always)
    init(
      risesFrom: Double = -.infinity, responsiveRange: ClosedRange<Double> = -.infinity...Double.infinity,
      formula: @escaping @Sendable (Double) -> Double
    ) {
      (self.risesFrom, self.responsiveRange, self.formula) = (risesFrom, responsiveRange, formula)
      loop = { input, count, output in
        for index in 0..<count { output[index] = Float(formula(Double(input[index]))) }
      }
    }
  }

  /// Responsive ranges end where the function is within 5e-4 of its limit, an eighth of the step of a range of 1.
  private var definition: Definition {
    switch self {
    case .none: Definition { $0 }
    case .relu: Definition { max($0, 0) }
    case .clip(let minimum, let maximum): Definition { min(max($0, minimum), maximum) }
    case .leakyReLU(let slope): Definition(risesFrom: slope < 0 ? 0 : -.infinity) { $0 > 0 ? $0 : slope * $0 }
    case .elu(let alpha):
      Definition(responsiveRange: (alpha <= 1 ? -8 : alpha <= 1000 ? -15 : -Double.infinity)...Double.infinity) {
        $0 > 0 ? $0 : alpha * exponentialMinusOne($0)
      }
    case .hardSigmoid: Definition(responsiveRange: -3...3) { min(max($0 / 6 + 0.5, 0), 1) }
    case .hardSwish:
      Definition(risesFrom: -1.5, responsiveRange: -3...Double.infinity) { $0 * min(max($0 / 6 + 0.5, 0), 1) }
    case .sigmoid: Definition(responsiveRange: -8...8) { 1 / (1 + exponential(-$0)) }
    case .silu:
      Definition(risesFrom: -1.278_464_542_761_073_8, responsiveRange: -10...Double.infinity) {
        $0 / (1 + exponential(-$0))
      }
    case .gelu:
      Definition(risesFrom: -0.751_791_524_693_564_5, responsiveRange: -4...Double.infinity) {
        let tail = complementaryErrorFunction(abs($0) * 0.707_106_781_186_547_5) / 2
        return $0 * ($0 < 0 ? tail : 1 - tail)
      }
    case .tanhGELU:
      Definition(risesFrom: -0.752_461_422_071_016_3, responsiveRange: -4...Double.infinity) {
        // (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u))
        $0 / (1 + exponential(-2 * Self.geluSlope * ($0 + Self.geluCubic * $0 * $0 * $0)))
      }
    case .tanhGELUGate:
      Definition(responsiveRange: -4...4) {
        hyperbolicTangent(Self.geluSlope * ($0 + Self.geluCubic * $0 * $0 * $0))
      }
    case .mish:
      Definition(risesFrom: -1.192_431_214_515_212_1, responsiveRange: -10...Double.infinity) {
        // tanh(log(1 + e)) = e (e + 2) / (e (e + 2) + 2)
        let power = exponential(min($0, 40))
        let product = power * (power + 2)
        return $0 * (product / (product + 2))
      }
    case .softplus:
      Definition(responsiveRange: -8...Double.infinity) { max($0, 0) + logarithmOfOnePlus(exponential(-abs($0))) }
    case .tanh: Definition(responsiveRange: -5...5) { hyperbolicTangent($0) }
    case .erf:
      Definition(responsiveRange: -3...3) {
        let result = 1 - complementaryErrorFunction(abs($0))
        // Near 0, the difference would have few digits.
        let series = 1.128_379_167_095_512_6 * $0 * (1 - $0 * $0 * (1.0 / 3 - $0 * $0 * 0.1))
        return abs($0) < 1e-3 ? series : $0 < 0 ? -result : result
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
    return min(minimum, Double(Float(minimum)))
  }

  /// The range of arguments to which the function responds: others give nearly the same results as its bounds.
  package var responsiveRange: ClosedRange<Double> { definition.responsiveRange }

  /// Whether the function is computed with exp, whose last bit differs between implementations.
  package var usesExponential: Bool {
    switch self {
    case .none, .relu, .clip, .leakyReLU, .hardSigmoid, .hardSwish: false
    case .elu, .sigmoid, .silu, .gelu, .tanhGELU, .tanhGELUGate, .mish, .softplus, .tanh, .erf: true
    }
  }

  /// Whether `f(c x) = c f(x)` for all positive c, so that a factor of a channel passes through the function.
  package var isHomogeneous: Bool {
    switch self {
    case .none, .relu, .leakyReLU: true
    default: false
    }
  }
}
