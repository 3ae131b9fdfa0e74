import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  static let linear: [String: ONNXTranslation] = ["Gemm": gemm, "MatMul": matMul]

  private static let matMul: ONNXTranslation = { translator, node throws(ImportError) in
    let (a, b) = (try translator.value(node, 0), try translator.value(node, 1))
    guard !a.isConstant else { throw translator.unsupported(node, "its first matrix is constant") }
    guard b.isConstant else { throw translator.unsupported(node, "it multiplies two activations, as attention does") }
    // ONNX stores the weight as [inputs, outputs]; a permuted view reads it as [outputs, inputs].
    let weight = try translator.weights(node, 1, rank: 2).permuted([1, 0])
    return try apply(&translator, node, constants: ["weight": weight], bias: nil)
  }

  private static let gemm: ONNXTranslation = { translator, node throws(ImportError) in
    guard try translator.integer(node, "transA", default: 0) == 0 else {
      throw translator.unsupported(node, "its first matrix is transposed")
    }
    let (alpha, beta) = (try translator.float(node, "alpha") ?? 1, try translator.float(node, "beta") ?? 1)
    guard try translator.value(node, 0).shape.rank == 2 else {
      throw translator.bad(node, "its input has the shape \(try translator.value(node, 0).shape), which is no matrix")
    }
    let stored = try translator.weights(node, 1, rank: 2)
    let isTransposed = try translator.integer(node, "transB", default: 0) != 0
    var constants = ["weight": scaled(isTransposed ? stored : stored.permuted([1, 0]), by: Float(alpha))]
    if translator.hasInput(node, 2) {
      let outputs = isTransposed ? stored.shape[0] : stored.shape[1]
      guard let bias = ONNXArray(try translator.constant(node, 2))?.broadcast(to: [1, outputs]) else {
        throw translator.unsupported(node, "its bias '\(node.inputs[2])' does not have one value for each output")
      }
      constants["bias"] = Tensor(bias.map { Float($0 * beta) })
    }
    return try apply(&translator, node, constants: constants, bias: 2)
  }

  private static func scaled(_ weight: Tensor, by factor: Float) -> Tensor {
    factor == 1
      ? weight : Tensor(weight.contiguous().elements(as: Float.self).map { $0 * factor }, shape: weight.shape)
  }

  /// A linear layer over the last axis of the first input: of a vector it is a linear layer, of each pixel of a map a
  /// 1x1 convolution, and of a flattened map a convolution that covers the map.
  ///
  /// - Parameters:
  ///   - constants: `weight` [outputs, inputs], and `bias` [outputs] unless there is none.
  ///   - bias: the index of the input with the bias; `nil` where the operator has none.
  private static func apply(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, constants: [String: Tensor], bias: Int?
  ) throws(ImportError) -> ONNXValue {
    guard let weight = constants["weight"] else { throw translator.bad(node, "has no weights") }
    let value = try translator.value(node, 0)
    guard value.shape.dimensions.last == weight.shape[1] else {
      throw translator.bad(
        node,
        "has weights for \(weight.shape[1]) values, but its input is \(value.shape) for images of \(translator.imageSize) "
          + "pixels")
    }
    if case .step(.flattened(let map, let shape)) = value, shape.rank == 2 {
      return .activation(try covering(&translator, node, map, constants, bias: bias))
    }
    let source = try translator.activation(node, 0)
    guard source.isChannelsLast else {
      throw translator.unsupported(
        node, "its input '\(node.inputs[0])' is \(source.shape), and the channels are not on its last axis")
    }
    var shape = source.shape
    shape.dimensions[shape.rank - 1] = weight.shape[0]
    if source.isRow {
      let row = try translator.append(Linear(), node: node, inputs: [source], constants: constants)
      translator.recordWeights(of: row, node, weight: 1, bias: bias)
      return .activation(row.with(shape: shape, channelAxis: source.channelAxis))
    }
    var pointwise = constants
    pointwise["weight"] = weight.splitColumns([1, 1, weight.shape[1]])
    let map = try translator.append(
      Convolution(window: Window(1)), node: node, inputs: [source], constants: pointwise)
    translator.recordWeights(of: map, node, weight: 1, bias: bias)
    return .activation(map.with(shape: shape, channelAxis: source.channelAxis))
  }

  /// The largest number of products that int8 arithmetic sums in 32 bits.
  private static let maximumLength = 65536

  /// A linear layer of all elements of a map, as a convolution whose kernel covers the map.
  private static func covering(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ map: ONNXActivation, _ constants: [String: Tensor],
    bias: Int?
  ) throws(ImportError) -> ONNXActivation {
    guard let weight = constants["weight"] else { throw translator.bad(node, "has no weights") }
    let (outputs, length) = (weight.shape[0], weight.shape[1])
    guard length <= maximumLength else {
      throw translator.unsupported(
        node,
        "each of its outputs depends on all \(length) values of a map of \(map.shape), and quern's int8 arithmetic sums "
          + "at most \(maximumLength); pool the map before the layer")
    }
    var kernel = constants
    // The vector has the elements in the order of the map's axes in the model, the graph's kernel in the order HWC.
    kernel["weight"] =
      map.channelAxis == 1
      ? weight.splitColumns([map.channels, map.height, map.width])?.permuted([0, 2, 3, 1])
      : weight.splitColumns([map.height, map.width, map.channels])
    guard kernel["weight"] != nil else { throw translator.bad(node, "has weights of \(weight.shape) for \(map.shape)") }
    let convolution = Convolution(window: Window(height: map.height, width: map.width))
    let pixel = try translator.append(convolution, node: node, inputs: [map], constants: kernel)
    translator.recordWeights(of: pixel, node, weight: 1, bias: bias)
    translator.note(
      "the linear layer of a whole map, '\(node.name)', is read as a \(map.height)x\(map.width) convolution")
    return try translator.pool(pixel, exponent: 1, floor: nil, node: node).with(
      shape: [map.shape[0], outputs], channelAxis: 1)
  }
}

extension Tensor {
  /// A matrix with its columns as three axes; `nil` where there are not as many columns. Nothing is copied where the
  /// matrix or its transpose is contiguous.
  fileprivate func splitColumns(_ extents: [Int]) -> Tensor? {
    guard shape.rank == 2, extents.count == 3, Shape(extents).checkedElementCount == shape[1] else { return nil }
    let transpose = permuted([1, 0])
    guard isContiguous || !transpose.isContiguous else {
      return transpose.reshaped(Shape(extents + [shape[0]])).permuted([3, 0, 1, 2])
    }
    return contiguous().reshaped(Shape([shape[0]] + extents))
  }
}
