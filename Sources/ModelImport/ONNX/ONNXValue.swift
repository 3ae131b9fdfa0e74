import Graphs
import Operators
import Tensors

/// What a value of an ONNX model is while the model is translated.
enum ONNXValue {
  /// Known now: an initialiser, or what constant folding made of some.
  case constant(Tensor)
  case activation(ONNXActivation)
  /// A step on the way to an operator that ONNX spells as several nodes.
  case step(ONNXStep)

  /// In ONNX's order of axes, for the batch that is translated for.
  var shape: Shape {
    switch self {
    case .constant(let tensor): tensor.shape
    case .activation(let activation): activation.shape
    case .step(let step): step.shape
    }
  }

  /// Whether the value does not depend on the image.
  var isConstant: Bool { if case .constant = self { true } else { false } }
}

/// A value of the graph under construction, as the model's axes arrange it.
struct ONNXActivation {
  var value: ValueID
  /// In ONNX's order of axes: NCHW or NHWC for a map; for a row the channels and otherwise axes of 1.
  var shape: Shape
  /// Whether it is one vector an image, rank 2 in the graph, whatever the rank of its shape here.
  var isRow: Bool
  /// The axis of the channels; axis 0 is the batch.
  var channelAxis = 1

  var channels: Int { shape[channelAxis] }

  /// Height and width of a map.
  var spatialAxes: [Int] { channelAxis == 1 ? [2, 3] : [1, 2] }
  var height: Int { shape[spatialAxes[0]] }
  var width: Int { shape[spatialAxes[1]] }

  /// Whether it is arranged as convolutions and poolings read it, [N, C, H, W].
  var isChannelsFirst: Bool { shape.rank == 4 && channelAxis == 1 }

  func with(shape: Shape, channelAxis: Int) -> ONNXActivation {
    ONNXActivation(value: value, shape: shape, isRow: isRow, channelAxis: channelAxis)
  }

  /// The same vector under another shape; `nil` where the shape does not keep the batch and one vector an image.
  func reshapedRow(to target: Shape) -> ONNXActivation? {
    guard isRow, target.rank >= 2, target[0] == shape[0], target.checkedElementCount == shape.checkedElementCount else {
      return nil
    }
    let axes = (1..<target.rank).filter { target[$0] != 1 }
    guard axes.count <= 1 else { return nil }
    return with(shape: target, channelAxis: axes.first ?? 1)
  }
}

/// Steps of GeM pooling, max(x, floor) -> power -> mean -> root, and of the L2 norm.
enum ONNXStep {
  /// `max(x, floor)`
  case clipped(ONNXActivation, floor: Double)
  /// `floor` is `nil` where nothing was clipped.
  case power(ONNXActivation, floor: Double?, exponent: Double)
  /// A mean or a maximum over height, width or both.
  case reduced(ONNXReduction)
  case squareSum(ONNXActivation, epsilon: Double, shape: Shape)
  /// What an L2 normalisation divides each row by, or its reciprocal.
  case norm(ONNXActivation, L2Normalization, isReciprocal: Bool, shape: Shape)
  /// A map without some of its outer rows and columns: nothing where an addition or a concatenation crops it anyway.
  case cropped(ONNXActivation, MapMargins, shape: Shape)
  /// A map with zeros around it. Every reader gets a padding of its own, which passes can fold into its window.
  case padded(ONNXActivation, MapMargins, shape: Shape)
  /// Softmax or log softmax over the channels of a row, which keep the order of classes.
  case probabilities(ONNXActivation, operatorType: String)
  /// A part of an activation, of which only the shape may be read.
  case part(shape: Shape)

  var shape: Shape {
    switch self {
    case .clipped(let base, _), .power(let base, _, _), .probabilities(let base, _): base.shape
    case .reduced(let reduction): reduction.shape
    case .squareSum(_, _, let shape), .norm(_, _, _, let shape), .cropped(_, _, let shape), .padded(_, _, let shape),
      .part(let shape):
      shape
    }
  }

  /// The same step under a shape with the same elements; `nil` for steps that it would change.
  func with(shape: Shape) -> ONNXStep? {
    switch self {
    case .clipped, .power, .cropped, .padded: nil
    case .reduced(let reduction): reduction.reshaped(to: shape).map { .reduced($0) }
    case .squareSum(let base, let epsilon, _): .squareSum(base, epsilon: epsilon, shape: shape)
    case .norm(let base, let op, let isReciprocal, _): .norm(base, op, isReciprocal: isReciprocal, shape: shape)
    case .probabilities(let base, let type):
      base.reshapedRow(to: shape).map { .probabilities($0, operatorType: type) }
    case .part: .part(shape: shape)
    }
  }

  /// For the message where nothing that quern knows follows.
  var meaning: String {
    switch self {
    case .clipped(_, let floor): "a map clipped to at least \(floor)"
    case .power: "a power, which quern knows in GeM pooling and in an L2 norm only"
    case .reduced(let reduction): reduction.meaning
    case .squareSum: "a sum of squares, which quern knows in an L2 norm only"
    case .norm: "an L2 norm, by which quern can only divide the vector itself"
    case .cropped, .padded: "a cropped or padded map"
    case .probabilities(_, let type): "a \(type), which quern knows at an output only"
    case .part: "a part of a map or vector, whose shape alone can be read"
    }
  }
}

/// A mean of powers, or a maximum, of each channel's map: over both of its axes, or over one while the other is still open.
struct ONNXReduction {
  let base: ONNXActivation
  /// What values were raised to before the power; `nil` where nothing was clipped.
  var floor: Double?
  /// Of the power whose mean is taken; 1 for the mean itself, infinite for the maximum.
  var exponent: Double
  /// In ONNX's order of axes.
  var shape: Shape
  var channelAxis: Int
  /// The spatial axis, in `shape`, over which nothing was reduced yet.
  var openAxis: Int?

  /// Whether it is what pooling a map gives.
  var isPooled: Bool { openAxis == nil && (exponent == 1 || exponent == .infinity) }

  var meaning: String {
    if openAxis != nil { return "a map reduced over its height or its width alone" }
    return isPooled ? "a pooled map" : "a mean of powers without the root of GeM pooling"
  }

  /// The same under another shape of the same elements; `nil` where that is no shape of one vector an image.
  func reshaped(to target: Shape) -> ONNXReduction? {
    let row = ONNXActivation(value: base.value, shape: shape, isRow: true, channelAxis: channelAxis)
    guard openAxis == nil, let reshaped = row.reshapedRow(to: target) else { return nil }
    var result = self
    (result.shape, result.channelAxis) = (target, reshaped.channelAxis)
    return result
  }
}
