import Graphs
import Operators
import Tensors

/// The element type in which the nodes of an activation function compute.
protocol FunctionElement: BinaryFloatingPoint, TensorElement {
  /// The beginning of the names of shared constants.
  static var constantPrefix: String { get }
}

extension Float: FunctionElement { static let constantPrefix = "float" }
extension Double: FunctionElement { static let constantPrefix = "double" }

/// Adds the nodes of activation functions. In float32, they are those that exporters write and runtimes recognise. In
/// double precision, they are nodes that runtimes implement in double precision, so that every runtime gets the same
/// bits after one rounding to float32.
struct FunctionNodes<Element: FunctionElement> {
  /// The name of the last node; others begin with it.
  let name: String

  private var isDouble: Bool { Element.self == Double.self }

  /// Adds the nodes of a function, and returns the name of the result.
  func emit(_ function: ActivationFunction, of x: String, into exporter: inout ONNXExporter) -> String {
    emit(&exporter, function, of: x, name: name)
  }

  private func emit(_ exporter: inout ONNXExporter, _ function: ActivationFunction, of x: String, name: String)
    -> String
  {
    switch function {
    case .none: return x
    case .relu: return node(&exporter, "Relu", x, name: name)
    case .clip(let minimum, let maximum):
      func bound(_ value: Double) -> String { value.isFinite ? constant(&exporter, value) : "" }
      return exporter.builder.node("Clip", name: name, inputs: [x, bound(minimum), bound(maximum)])
    case .leakyReLU(let slope):
      if !isDouble { return node(&exporter, "LeakyRelu", x, name: name, attributes: [("alpha", .float(Float(slope)))]) }
      let (positive, negative) = parts(&exporter, x)
      return binary(
        &exporter, "Add", positive, binary(&exporter, "Mul", negative, constant(&exporter, slope), "scaled"), name: name
      )
    case .elu(let alpha):
      if !isDouble { return node(&exporter, "Elu", x, name: name, attributes: [("alpha", .float(Float(alpha)))]) }
      let (positive, negative) = parts(&exporter, x)
      let power = binary(
        &exporter, "Sub", node(&exporter, "Exp", negative, name: "\(name).power"), constant(&exporter, 1), "below")
      return binary(
        &exporter, "Add", positive, binary(&exporter, "Mul", power, constant(&exporter, alpha), "scaled"), name: name)
    case .sigmoid: return node(&exporter, "Sigmoid", x, name: name)
    case .tanh: return node(&exporter, "Tanh", x, name: name)
    case .hardSigmoid:
      if !isDouble {
        return node(
          &exporter, "HardSigmoid", x, name: name, attributes: [("alpha", .float(1 / 6)), ("beta", .float(0.5))])
      }
      let sum = binary(
        &exporter, "Add", binary(&exporter, "Div", x, constant(&exporter, 6), "part"), constant(&exporter, 0.5), "sum")
      return exporter.builder.node("Clip", name: name, inputs: [sum, constant(&exporter, 0), constant(&exporter, 1)])
    // HardSwish, Swish, Mish and Gelu exist only from operator sets 14, 24, 18 and 20 on; all importers recognise these
    // nodes.
    case .hardSwish:
      return binary(&exporter, "Mul", x, emit(&exporter, .hardSigmoid, of: x, name: "\(name).gate"), name: name)
    case .silu: return binary(&exporter, "Mul", x, emit(&exporter, .sigmoid, of: x, name: "\(name).gate"), name: name)
    case .mish:
      return binary(
        &exporter, "Mul", x,
        node(&exporter, "Tanh", softplus(&exporter, x, name: "\(name).softplus"), name: "\(name).gate"), name: name)
    case .softplus: return softplus(&exporter, x, name: name)
    case .erf: return erf(&exporter, x, name: name)
    case .gelu:
      let ratio = binary(&exporter, "Div", x, constant(&exporter, 1.414_213_562_373_095_1), "ratio")
      return half(&exporter, x, erf(&exporter, ratio, name: "\(name).erf"), name: name)
    case .tanhGELU: return half(&exporter, x, geluGate(&exporter, x, name: "\(name).tanh"), name: name)
    case .tanhGELUGate: return geluGate(&exporter, x, name: name)
    }
  }

  /// `tanh(sqrt(2 / pi) (x + 0.044715 x^3))`.
  private func geluGate(_ exporter: inout ONNXExporter, _ x: String, name: String) -> String {
    let cube = binary(&exporter, "Mul", binary(&exporter, "Mul", x, x, "square"), x, "cube")
    let scaled = binary(&exporter, "Mul", cube, constant(&exporter, ActivationFunction.geluCubic), "scaled")
    let sum = binary(&exporter, "Add", x, scaled, "sum")
    let argument = binary(&exporter, "Mul", sum, constant(&exporter, ActivationFunction.geluSlope), "argument")
    return node(&exporter, "Tanh", argument, name: name)
  }

  /// `x (gate + 1) / 2`.
  private func half(_ exporter: inout ONNXExporter, _ x: String, _ gate: String, name: String) -> String {
    let product = binary(&exporter, "Mul", x, binary(&exporter, "Add", gate, constant(&exporter, 1), "gate"), "twice")
    return binary(&exporter, "Mul", product, constant(&exporter, 0.5), name: name)
  }

  private func softplus(_ exporter: inout ONNXExporter, _ x: String, name: String) -> String {
    if !isDouble { return node(&exporter, "Softplus", x, name: name) }
    let power = node(
      &exporter, "Exp", node(&exporter, "Neg", node(&exporter, "Abs", x, name: "\(name).size"), name: "\(name).depth"),
      name: "\(name).power")
    let logarithm = node(
      &exporter, "Log", binary(&exporter, "Add", power, constant(&exporter, 1), "one_more"), name: "\(name).logarithm")
    return binary(&exporter, "Add", parts(&exporter, x).positive, logarithm, name: name)
  }

  /// In double precision, which runtimes do not implement for Erf, `complementaryErrorFunction` in Horner's form.
  private func erf(_ exporter: inout ONNXExporter, _ x: String, name: String) -> String {
    if !isDouble { return node(&exporter, "Erf", x, name: name) }
    let size = node(&exporter, "Abs", x, name: "\(name).size")
    let shift = constant(&exporter, 3.75)
    let t = binary(
      &exporter, "Div", binary(&exporter, "Sub", size, shift, "below"), binary(&exporter, "Add", size, shift, "above"),
      "t")
    var sum = constant(&exporter, complementaryErrorSeries[complementaryErrorSeries.count - 1])
    for (degree, coefficient) in complementaryErrorSeries.enumerated().dropLast().reversed() {
      sum = binary(
        &exporter, "Add", binary(&exporter, "Mul", sum, t, "t\(degree)"), constant(&exporter, coefficient),
        "sum\(degree)")
    }
    let square = node(&exporter, "Neg", binary(&exporter, "Mul", size, size, "square"), name: "\(name).exponent")
    let bell = binary(&exporter, "Mul", sum, node(&exporter, "Exp", square, name: "\(name).bell"), "scaled")
    let double = binary(
      &exporter, "Add", binary(&exporter, "Add", size, size, "double"), constant(&exporter, 1), "divisor")
    let complement = binary(&exporter, "Div", bell, double, "complement")
    let sign = node(&exporter, "Sign", x, name: "\(name).sign")
    return binary(
      &exporter, "Mul", sign, binary(&exporter, "Sub", constant(&exporter, 1), complement, "error"), name: name)
  }

  /// `max(x, 0)` and `min(x, 0)`.
  private func parts(_ exporter: inout ONNXExporter, _ x: String) -> (positive: String, negative: String) {
    (
      binary(&exporter, "Max", x, constant(&exporter, 0), "positive"),
      binary(&exporter, "Min", x, constant(&exporter, 0), "negative")
    )
  }

  // MARK: Nodes

  private func node(
    _ exporter: inout ONNXExporter, _ type: String, _ input: String, name: String,
    attributes: [(String, ONNXModelBuilder.Attribute)] = []
  ) -> String {
    exporter.builder.node(type, name: name, inputs: [input], attributes: attributes)
  }

  private func binary(_ exporter: inout ONNXExporter, _ type: String, _ a: String, _ b: String, _ suffix: String)
    -> String
  {
    binary(&exporter, type, a, b, name: "\(name).\(suffix)")
  }

  private func binary(_ exporter: inout ONNXExporter, _ type: String, _ a: String, _ b: String, name: String) -> String
  {
    exporter.builder.node(type, name: name, inputs: [a, b])
  }

  private func constant(_ exporter: inout ONNXExporter, _ value: Double) -> String {
    exporter.builder.sharedInitializer("\(Element.constantPrefix)_\(value)", Tensor([Element(value)], shape: []))
  }
}
