import Glibc
import Graphs
import Operators
import Tensors

/// Every operator in double precision, written from its documentation, and how far a float32 evaluation may be off.
package enum FloatReference {
  package struct Result: Sendable {
    package var shape: Shape
    package var values: [Double]
    /// For each value, a bound for the error of a float32 evaluation on exact inputs: with u = 2^-24, a sum of n products
    /// in any order is within (n + 2) u of the sum of their magnitudes (Higham, "Accuracy and Stability of Numerical
    /// Algorithms", section 3.1, to first order), and the other operators take a few roundings.
    package var bounds: [Double]
  }

  package struct Unknown: Error { public let kind: String }

  static let u = 0x1p-24

  package static func evaluate(
    _ op: any Operator, _ inputs: [(shape: Shape, values: [Double])], constants: [String: Tensor]
  ) throws -> Result {
    let (shape, x) = (inputs[0].shape, inputs[0].values)
    func floats(_ role: String) -> [Double]? { constants[role].map { $0.elements(as: Float.self).map { Double($0) } } }
    switch op {
    case let op as Convolution: return convolution(op, inputs, constants)
    case let op as Linear: return linear(op, shape, x, constants)
    case let op as MaxPooling: return maxPooling(op, shape, x)
    case let op as GeneralizedMeanPooling: return pooling(op, shape, x)
    case let op as ChannelwiseMeanPooling:
      return channelwisePooling(op, shape, x, constants["exponent"]?.elements(as: Float.self) ?? [])
    case let op as BatchNormalization:
      let (scale, shift) = (floats("scale")!, floats("shift")!)
      let (mean, variance) = (floats("mean")!, floats("variance")!)
      var result = Result(shape: shape, values: [], bounds: [])
      for (index, value) in x.enumerated() {
        let c = index % shape.channels
        let factor = scale[c] / (variance[c] + op.epsilon).squareRoot()
        let offset = shift[c] - mean[c] * factor
        result.values.append(value * factor + offset)
        result.bounds.append(4 * u * (abs(value * factor) + abs(offset)))
      }
      return result
    case is Centering:
      let mean = floats("mean")!
      let values = x.indices.map { x[$0] - mean[$0 % shape.channels] }
      return Result(shape: shape, values: values, bounds: values.map { abs($0) * u })
    case let op as L2Normalization:
      var values = x
      for row in 0..<shape.batch {
        let range = row * shape.channels..<(row + 1) * shape.channels
        let sum = range.reduce(0) { $0 + x[$1] * x[$1] }
        let norm =
          switch op.rule {
          case .added: sum.squareRoot() + op.epsilon
          case .floor: max(sum.squareRoot(), op.epsilon)
          case .insideRoot: (sum + op.epsilon).squareRoot()
          }
        for index in range { values[index] = x[index] / norm }
      }
      return Result(shape: shape, values: values, bounds: values.map { abs($0) * 6 * u })
    case is AveragePooling, is Concatenation, is ZeroPadding, is EdgePadding, is Cropping, is Sigmoid,
      is ChannelScaling,
      is Nonlinearity:
      return moreOperators(op, inputs)
    case let op as Addition:
      let output = CornerReference.shape(inputs.map(\.shape), channels: shape.channels)
      let terms = inputs.map { CornerReference.cropped($0.values, $0.shape, to: output) }
      let sums = zip(terms[0], terms[1]).map { $0 + $1 }
      return Result(
        shape: output, values: sums.map { ActivationReference.value(op.activation, $0) },
        bounds: sums.map { abs($0) * u }
      )
    case let op as Clip:
      let (least, greatest) = (Double(Float(op.minimum)), Double(Float(op.maximum)))
      return Result(shape: shape, values: x.map { min(max($0, least), greatest) }, bounds: x.map { _ in 0 })
    case let op as LayerNormalization: return layerNormalization(op, shape, x, constants)
    case is PReLU: return parametricReLU(shape, x, slopes: floats("slope")!)
    case is Multiplication: return product(inputs)
    case is SinglePixelMap:
      return Result(shape: [shape.batch, 1, 1, shape.channels], values: x, bounds: x.map { _ in 0 })
    case is ChannelSelection, is Softmax, is ChannelConvolution, is ChannelResponse, is Resizing:
      return channelOperators(op, shape, x, constants)
    case is ReLU: return Result(shape: shape, values: x.map { max($0, 0) }, bounds: x.map { _ in 0 })
    case is Requantize: return Result(shape: shape, values: x, bounds: x.map { _ in 0 })
    default: throw Unknown(kind: type(of: op).wireName)
    }
  }

  private static func convolution(
    _ op: Convolution, _ inputs: [(shape: Shape, values: [Double])], _ constants: [String: Tensor]
  ) -> Result {
    let (input, x) = (inputs[0].shape, inputs[0].values)
    let weight = constants["weight"]!
    let w = weight.elements(as: Float.self).map { Double($0) }
    let bias = constants["bias"]?.elements(as: Float.self)
    let (outputs, depth) = (weight.shape[0], weight.shape[3])
    let extent = WindowReference.extent(op.window, height: input.height, width: input.width)
    var shape: Shape = [input.batch, extent.height, extent.width, outputs]
    if inputs.count > 1 { shape = CornerReference.shape([shape, inputs[1].shape], channels: outputs) }
    var result = Result(shape: shape, values: [], bounds: [])
    for position in 0..<shape.batch * shape.height * shape.width {
      let taps = WindowReference.taps(op.window, position: position, input: input, output: shape)
      for n in 0..<outputs {
        let group = n / (outputs / op.groups)
        var sum = bias.map { Double($0[n]) } ?? 0
        var magnitude = abs(sum)
        for (tap, pixel) in taps.enumerated() {
          guard let pixel else { continue }
          for k in 0..<depth {
            let product = x[pixel * input.channels + group * depth + k] * w[(n * taps.count + tap) * depth + k]
            sum += product
            magnitude += abs(product)
          }
        }
        if inputs.count > 1 {
          let pixel = CornerReference.pixel(position, of: shape, in: inputs[1].shape)
          let residual = inputs[1].values[pixel * outputs + n]
          sum += residual
          magnitude += abs(residual)
        }
        result.values.append(ActivationReference.value(op.activation, sum))
        result.bounds.append(Double(taps.count * depth + 4) * u * magnitude)
      }
    }
    if op.usesWinograd(weight: weight.shape, output: shape) {
      let residual = inputs.count > 1 ? inputs[1] : nil
      result.bounds = WinogradReference(op.window, input, x, w, bias?.map { Double($0) }).bounds(shape, residual)
    }
    return result
  }

  private static func linear(_ op: Linear, _ shape: Shape, _ x: [Double], _ constants: [String: Tensor]) -> Result {
    let weight = constants["weight"]!
    let w = weight.elements(as: Float.self).map { Double($0) }
    let bias = constants["bias"]?.elements(as: Float.self)
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    var result = Result(shape: [shape.batch, outputs], values: [], bounds: [])
    for row in 0..<shape.batch {
      for n in 0..<outputs {
        var sum = bias.map { Double($0[n]) } ?? 0
        var magnitude = abs(sum)
        for k in 0..<inputs {
          sum += x[row * inputs + k] * w[n * inputs + k]
          magnitude += abs(x[row * inputs + k] * w[n * inputs + k])
        }
        result.values.append(sum)
        result.bounds.append(Double(inputs + 4) * u * magnitude)
      }
    }
    return result
  }

  private static func maxPooling(_ op: MaxPooling, _ input: Shape, _ x: [Double]) -> Result {
    let extent = WindowReference.extent(op.window, height: input.height, width: input.width)
    let shape: Shape = [input.batch, extent.height, extent.width, input.channels]
    var values: [Double] = []
    for position in 0..<shape.batch * shape.height * shape.width {
      let taps = WindowReference.taps(op.window, position: position, input: input, output: shape).compactMap { $0 }
      for channel in 0..<input.channels {
        values.append(taps.map { x[$0 * input.channels + channel] }.max() ?? .nan)
      }
    }
    return Result(shape: shape, values: values, bounds: values.map { _ in 0 })
  }

  private static func channelwisePooling(
    _ op: ChannelwiseMeanPooling, _ input: Shape, _ x: [Double], _ exponents: [Float]
  ) -> Result {
    let pixels = input.height * input.width
    var result = Result(shape: [input.batch, input.channels], values: [], bounds: [])
    for image in 0..<input.batch {
      for channel in 0..<input.channels {
        // The exponent's inverse is rounded to float32 in evaluation.
        let (p, inverse) = (Double(exponents[channel]), Double(1 / exponents[channel]))
        let powers = (0..<pixels).map {
          pow(max(x[(image * pixels + $0) * input.channels + channel], Double(Float(op.floor))), p)
        }
        let root = pow(powers.reduce(0, +) / Double(pixels), inverse)
        result.values.append(root)
        result.bounds.append((Double(pixels + 8) * inverse + 4) * u * root)
      }
    }
    return result
  }

  private static func pooling(_ op: GeneralizedMeanPooling, _ input: Shape, _ x: [Double]) -> Result {
    let pixels = input.height * input.width
    // The exponent and its inverse are float32 in evaluation.
    let (p, inverse) = (Double(Float(op.exponent)), Double(Float(1 / op.exponent)))
    var result = Result(
      shape: [input.batch, input.channels + (op.appendsOne ? 1 : 0)], values: [], bounds: [])
    for image in 0..<input.batch {
      for channel in 0..<input.channels {
        var values = (0..<pixels).map { x[(image * pixels + $0) * input.channels + channel] }
        if let floor = op.customFloor {
          values = values.map { max($0, Double(Float(floor))) }
        } else if op.exponent != 1, op.exponent != .infinity {
          values = values.map { max($0, Double(Float(1e-6))) }
        }
        switch op.exponent {
        case .infinity:
          result.values.append(values.max() ?? 0)
          result.bounds.append(0)
        case 1:
          result.values.append(values.reduce(0, +) / Double(pixels))
          // The sum is in double precision.
          result.bounds.append(2 * u * values.reduce(0) { $0 + abs($1) } / Double(pixels))
        default:
          let mean = values.reduce(0) { $0 + pow($1, p) } / Double(pixels)
          let root = pow(mean, inverse)
          result.values.append(root)
          // The powers, and thus their mean, are within a few units; the root divides their error by p.
          result.bounds.append((8 * inverse + 4) * u * root)
        }
      }
      if op.appendsOne {
        result.values.append(1)
        result.bounds.append(0)
      }
    }
    return result
  }
}

extension Graph {
  /// Every value of a float graph in double precision.
  package func referenceValues(input: [Double], shape: Shape) throws -> [ValueID: (shape: Shape, values: [Double])] {
    var values: [ValueID: (shape: Shape, values: [Double])] = [self.input: (shape, input)]
    for node in nodes {
      let inputs = node.inputs.compactMap { values[$0] }
      let result = try FloatReference.evaluate(node.op, inputs, constants: node.constants)
      values[node.output] = (result.shape, result.values)
    }
    return values
  }
}
