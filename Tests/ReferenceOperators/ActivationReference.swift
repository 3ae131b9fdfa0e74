import Glibc
import Graphs
import Operators
import Tensors

/// Activation functions as their papers and ONNX define them, and their tables from formats/package.md, "Nonlinearities".
package enum ActivationReference {
  package static func value(_ function: ActivationFunction, _ x: Double) -> Double {
    switch function {
    case .none: return x
    case .relu: return x > 0 ? x : 0
    case .hardSigmoid: return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6
    case .hardSwish: return x * value(.hardSigmoid, x)
    case .sigmoid: return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x))
    case .silu: return x * value(.sigmoid, x)
    case .clip(let minimum, let maximum): return x <= minimum ? minimum : x >= maximum ? maximum : x
    case .leakyReLU(let slope): return x > 0 ? x : slope * x
    case .elu(let alpha): return x >= 0 ? x : alpha * expm1(x)
    case .gelu: return x * erfc(-x / 2.squareRoot()) / 2
    // (1 + tanh(u)) / 2 = 1 / (1 + exp(-2 u)), without the cancellation where u is far below 0.
    case .tanhGELU: return x * value(.sigmoid, 2 * geluCubic(x))
    case .tanhGELUGate: return Glibc.tanh(geluCubic(x))
    case .mish: return x * Glibc.tanh(value(.softplus, x))
    case .softplus: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x))
    case .tanh: return Glibc.tanh(x)
    case .erf: return Glibc.erf(x)
    }
  }

  private static func geluCubic(_ x: Double) -> Double {
    (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)
  }

  /// The elements of a nonlinearity's output in a format.
  package static func nonlinearity(_ op: Nonlinearity, _ input: Activation, to output: ValueFormat) -> Elements {
    guard case .uint8(let planes) = input.elements, let from = input.format.quantization else {
      fatalError("levels are what has a table")
    }
    let count = input.shape.elementCount
    let reals = (0..<count).map { index -> Float in
      let level = Int32(planes[index]) - Int32(from.zeroPoint)
      let x =
        op.readsInputRemainder
        ? Float(256 * level + Int32(planes[count + index]) - 128) * (from.scale / 256) : from.scale * Float(level)
      return Float(value(op.function, Double(x)))
    }
    guard let to = output.quantization else { return .float(reals) }
    return Int8Reference.stored(reals.map { $0 / to.scale }, output, .none)
  }
}
