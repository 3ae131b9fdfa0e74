import Checkpoints
import Graphs
import Operators
import Tensors

/// A value of an ONNX model during translation.
enum ONNXValue {
  /// A value that does not depend on the image: an initialiser or a result of constant folding.
  case constant(Tensor)
  /// A value of the graph.
  case activation(ONNXActivation)
  /// An intermediate value of an operator that is several nodes in ONNX.
  case step(ONNXStep)

  /// The shape in the model's order of axes, for the image size that the model is translated for.
  var shape: Shape {
    switch self {
    case .constant(let tensor): tensor.shape
    case .activation(let activation): activation.shape
    case .step(let step): step.shape
    }
  }

  /// Whether it is a vector expanded to a map.
  var isExpanded: Bool { if case .step(.expanded) = self { true } else { false } }

  /// Whether the value does not depend on the image.
  var isConstant: Bool { if case .constant = self { true } else { false } }
}

/// A value of the graph under construction, with its axes in the model.
struct ONNXActivation {
  var value: ValueID
  /// The shape in the model's order of axes. For a map this is NCHW or NHWC, or another shape of rank 2 or 3 in which
  /// the axes of its pixels are merged, such as [N, C, H W] or [N H W, C]; for a row, the batch, the channels and axes
  /// of extent 1.
  var shape: Shape
  /// Whether it is one vector per image, with rank 2 in the graph, whatever the rank of `shape`.
  var isRow: Bool
  /// The axis of the channels; axis 0 is the batch.
  var channelAxis = 1

  var channels: Int { shape[channelAxis] }

  /// Whether it is a map whose height and width are axes in the model, in NCHW or NHWC order.
  var isMap: Bool { !isRow && shape.rank == 4 }

  /// The axes of a map's height and width, for which `isMap` must hold.
  var spatialAxes: [Int] { channelAxis == 1 ? [2, 3] : [1, 2] }
  /// The axes of pixels: height and width, or the one that they are merged into; none where they are merged with the
  /// batch.
  var pixelAxes: [Int] { shape.dimensions.indices.dropFirst().filter { $0 != channelAxis } }
  /// The height of a map; 0 where it is no axis in the model.
  var height: Int { shape.rank == 4 ? shape[spatialAxes[0]] : 0 }
  /// The width of a map; 0 where it is no axis in the model.
  var width: Int { shape.rank == 4 ? shape[spatialAxes[1]] : 0 }

  /// Whether its axes are [N, C, H, W], as for the inputs of convolutions and poolings.
  var isChannelsFirst: Bool { shape.rank == 4 && channelAxis == 1 }
  /// Whether the channels are on the last axis, after at least one other.
  var isChannelsLast: Bool { channelAxis == shape.rank - 1 && channelAxis > 0 }

  func with(shape: Shape, channelAxis: Int) -> ONNXActivation {
    ONNXActivation(value: value, shape: shape, isRow: isRow, channelAxis: channelAxis)
  }

  /// The same row with another shape; `nil` where the shape does not keep the batch and one vector per image.
  func reshapedRow(to target: Shape) -> ONNXActivation? {
    guard isRow, target.rank >= 2, target[0] == shape[0], target.checkedElementCount == shape.checkedElementCount else {
      return nil
    }
    let axes = (1..<target.rank).filter { target[$0] != 1 }
    guard axes.count <= 1 else { return nil }
    return with(shape: target, channelAxis: axes.first ?? 1)
  }

  /// The same map with the axes of its pixels merged or split; `nil` where the shape moves elements between the pixels
  /// and the channels.
  ///
  /// - Parameter map: the shape in the graph, NHWC.
  func reshapedMap(to target: Shape, map: Shape) -> ONNXActivation? {
    guard !isRow, map.rank == 4, (2...4).contains(target.rank) else { return nil }
    let (batch, pixels, channels) = (map.batch, map.height * map.width, map.channels)
    let shapes: [(shape: Shape, channelAxis: Int)] =
      isChannelsLast
      ? [
        ([batch, map.height, map.width, channels], 3), ([batch, pixels, channels], 2),
        ([batch * map.height, map.width, channels], 2), ([batch * pixels, channels], 1),
      ] : channelAxis == 1 ? [([batch, channels, map.height, map.width], 1), ([batch, channels, pixels], 1)] : []
    return shapes.first { $0.shape == target }.map { with(shape: $0.shape, channelAxis: $0.channelAxis) }
  }
}

/// The intermediate values of GeM pooling, max(x, floor) -> power -> mean -> root, of L2 normalisation, and of
/// croppings and paddings.
enum ONNXStep {
  /// `max(x, floor)`.
  case clipped(ONNXActivation, floor: Double)
  /// `max(x, floor)` to the power of `exponent`; `floor` is `nil` where nothing is clipped.
  case power(ONNXActivation, floor: Double?, exponent: Double)
  /// A power with an exponent for each channel, clipped first if `floor` is not `nil`.
  case powers(ONNXActivation, floor: Double?, exponents: [Double])
  /// A mean or a maximum over height, width or both.
  case reduced(ONNXReduction)
  /// The sum of a row's squares, plus `epsilon`.
  case squareSum(ONNXActivation, epsilon: Double, shape: Shape)
  /// The sum of a row's squares, or a number where that is larger.
  case flooredSquareSum(ONNXActivation, floor: Double, shape: Shape)
  /// The norm by which an L2 normalisation divides each row, or its reciprocal.
  case norm(ONNXActivation, L2Normalization, isReciprocal: Bool, shape: Shape)
  /// A polynomial of an activation's elements, by its coefficients from the power 0 on: a step of GELU's approximation.
  case polynomial(ONNXActivation, [Double])
  /// A step of layer normalisation.
  case moment(ONNXMoment)
  /// A step of global response normalisation.
  case response(ONNXResponse)
  /// A map without some of its outer rows and columns. It needs no node where an addition or a concatenation crops it
  /// anyway.
  case cropped(ONNXActivation, MapMargins, shape: Shape)
  /// A map with zeros around it. Every reader gets a separate padding, which passes can fold into the reader's window.
  case padded(ONNXActivation, MapMargins, shape: Shape)
  /// A map with margins of negative infinity, which a max pooling does not select.
  case unselectable(ONNXActivation, MapMargins, shape: Shape)
  /// Softmax or log softmax over the channels of a row, which keep the order of classes.
  case probabilities(ONNXActivation, operatorType: String)
  /// A map with all its elements in one vector, in the order of its axes in the model.
  case flattened(ONNXActivation, shape: Shape)
  /// The elements of all images' vectors in one list, as exporters write a view that PyTorch makes by strides.
  case listed(ONNXActivation, shape: Shape)
  /// The levels that QuantizeLinear, which is `node`, rounds a value to. Only DequantizeLinear can read them.
  case quantized(ONNXActivation, ONNXLevels, node: ONNXModel.Node)
  /// A reshaped, permuted or sliced activation.
  case view(ONNXView)
  /// The sum of views of one shape, over an axis of a larger view.
  case branches([ONNXView], shape: Shape)
  /// A vector repeated for each pixel of a map, by which quern can only multiply that map.
  case expanded(ONNXActivation, shape: Shape)
  /// A part of an activation; only its shape may be read.
  case part(shape: Shape)

  var shape: Shape {
    switch self {
    case .clipped(let base, _), .power(let base, _, _), .powers(let base, _, _), .polynomial(let base, _),
      .probabilities(let base, _), .quantized(let base, _, _):
      base.shape
    case .moment(let moment): moment.shape
    case .response(let response): response.shape
    case .reduced(let reduction): reduction.shape
    case .squareSum(_, _, let shape), .flooredSquareSum(_, _, let shape), .norm(_, _, _, let shape),
      .cropped(_, _, let shape), .padded(_, _, let shape), .unselectable(_, _, let shape), .flattened(_, let shape),
      .listed(_, let shape), .part(let shape), .branches(_, let shape), .expanded(_, let shape):
      shape
    case .view(let view): view.shape
    }
  }

  /// The same step with another shape of as many elements; `nil` for steps whose meaning depends on the shape.
  func with(shape: Shape) -> ONNXStep? {
    switch self {
    case .clipped, .power, .powers, .polynomial, .moment, .response, .cropped, .padded, .unselectable, .flattened,
      .listed, .branches, .expanded, .quantized:
      nil
    case .view(let view): view.reshaped(to: shape).map { .view($0) }
    case .reduced(let reduction): reduction.reshaped(to: shape).map { .reduced($0) }
    case .squareSum(let base, let epsilon, _): .squareSum(base, epsilon: epsilon, shape: shape)
    case .flooredSquareSum(let base, let floor, _): .flooredSquareSum(base, floor: floor, shape: shape)
    case .norm(let base, let op, let isReciprocal, _): .norm(base, op, isReciprocal: isReciprocal, shape: shape)
    case .probabilities(let base, let type):
      base.reshapedRow(to: shape).map { .probabilities($0, operatorType: type) }
    case .part: .part(shape: shape)
    }
  }

  /// A description for errors, where no supported operator follows.
  var meaning: String {
    switch self {
    case .clipped(_, let floor): "a map clipped to at least \(floor)"
    case .power, .powers: "a power, which quern supports only in GeM pooling and in an L2 norm"
    case .reduced(let reduction): reduction.meaning
    case .squareSum, .flooredSquareSum: "a sum of squares, which quern supports only in an L2 norm"
    case .norm: "an L2 norm, by which quern can only divide the vector itself"
    case .polynomial: "a polynomial, which quern supports only in the approximation of GELU"
    case .moment(let moment): "\(moment.meaning), which quern supports only in layer normalisation"
    case .response: "a norm of each channel, which quern supports only in global response normalisation"
    case .cropped, .padded: "a cropped or padded map"
    case .quantized: "the output of QuantizeLinear, which quern can only pass on to DequantizeLinear"
    case .probabilities(_, let type): "a \(type), which quern supports only at an output"
    case .unselectable: "a map padded by negative infinity, which quern supports only as the input of a max pooling"
    case .flattened(let map, let shape):
      "a map of \(map.shape) flattened to \(shape), which quern supports only as the input of a linear layer"
    case .listed: "the vectors of all images in one list"
    case .view(let view):
      "\(view.base.shape) rearranged to \(view.shape), which quern supports only where that splits, shuffles or stacks "
        + "channels"
    case .expanded: "a vector expanded to a map, which quern supports only as a factor"
    case .branches: "a sum over an axis"
    case .part: "a part of a map or vector; quern can read only its shape"
    }
  }
}

/// A mean of powers, or a maximum, of each channel's map: over height and width, or so far over only one of them.
struct ONNXReduction {
  /// The map.
  let base: ONNXActivation
  /// The number to which smaller values were raised before the power; `nil` where nothing was clipped.
  var floor: Double?
  /// The exponent of the power whose mean is taken: 1 for the mean itself, infinity for the maximum; not a number where
  /// the channels have exponents of their own.
  var exponent: Double
  /// The exponents of the channels, where they differ.
  var exponents: [Double]?
  /// The shape in the model's order of axes.
  var shape: Shape
  var channelAxis: Int
  /// The spatial axis, in `shape`, that is not reduced yet; `nil` where both are.
  var openAxis: Int?

  /// Whether it is an average or max pooling of the whole map.
  var isPooled: Bool { openAxis == nil && (exponent == 1 || exponent == .infinity) }

  var meaning: String {
    if openAxis != nil { return "a map reduced only over its height or its width" }
    return isPooled ? "a pooled map" : "a mean of powers without the root of GeM pooling"
  }

  /// The same reduction with another shape of as many elements; `nil` where that does not keep one vector per image.
  func reshaped(to target: Shape) -> ONNXReduction? {
    let row = ONNXActivation(value: base.value, shape: shape, isRow: true, channelAxis: channelAxis)
    guard openAxis == nil, let reshaped = row.reshapedRow(to: target) else { return nil }
    var result = self
    (result.shape, result.channelAxis) = (target, reshaped.channelAxis)
    return result
  }
}
