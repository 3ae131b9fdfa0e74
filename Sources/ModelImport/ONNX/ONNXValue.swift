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
}

/// A value of the graph under construction.
struct ONNXActivation {
  var value: ValueID
  /// In ONNX's order of axes: NCHW for a map; for a row [N, C], perhaps with axes of 1 behind.
  var shape: Shape
  /// Whether it has one vector an image, rank 2 in the graph, whatever the rank of its shape here.
  var isRow: Bool

  var channels: Int { shape.rank > 1 ? shape[1] : 1 }

  func with(shape: Shape) -> ONNXActivation { ONNXActivation(value: value, shape: shape, isRow: isRow) }
}

/// Steps of GeM pooling, max(x, floor) -> power -> mean -> root, and of the L2 norm.
enum ONNXStep {
  case clipped(ONNXActivation, floor: Double)
  /// `floor` is `nil` where nothing was clipped.
  case power(ONNXActivation, floor: Double?, exponent: Double)
  case meanPower(ONNXActivation, floor: Double?, exponent: Double, shape: Shape)
  /// The mean (exponent 1) or the maximum (infinity) of each channel's map: a row for what reads it as one.
  case pooled(ONNXActivation, exponent: Double, shape: Shape)
  case squareSum(ONNXActivation, shape: Shape)
  /// `||x|| + epsilon` of each row.
  case norm(ONNXActivation, epsilon: Double, shape: Shape)
  /// A map without some of its outer rows and columns: nothing where an addition or a concatenation crops it anyway.
  case cropped(ONNXActivation, MapMargins, shape: Shape)
  /// A map with zeros around it. Every reader gets a padding of its own, which passes can fold into its window.
  case padded(ONNXActivation, MapMargins, shape: Shape)
  /// A part of an activation, of which only the shape may be asked.
  case part(shape: Shape)

  var shape: Shape {
    switch self {
    case .clipped(let base, _), .power(let base, _, _): base.shape
    case .meanPower(_, _, _, let shape), .pooled(_, _, let shape), .squareSum(_, let shape), .norm(_, _, let shape),
      .cropped(_, _, let shape), .padded(_, _, let shape), .part(let shape):
      shape
    }
  }

  /// The same step under another shape; `nil` for steps on maps.
  func with(shape: Shape) -> ONNXStep? {
    switch self {
    case .clipped, .power, .cropped, .padded: nil
    case .meanPower(let base, let floor, let exponent, _):
      .meanPower(base, floor: floor, exponent: exponent, shape: shape)
    case .pooled(let base, let exponent, _): .pooled(base, exponent: exponent, shape: shape)
    case .squareSum(let base, _): .squareSum(base, shape: shape)
    case .norm(let base, let epsilon, _): .norm(base, epsilon: epsilon, shape: shape)
    case .part: .part(shape: shape)
    }
  }

  /// For the message where nothing that quern knows follows.
  var meaning: String {
    switch self {
    case .clipped(_, let floor): "a map clipped to at least \(floor), which quern knows before GeM's power only"
    case .power: "a power, which quern knows in GeM pooling and in an L2 norm only"
    case .meanPower: "a mean of powers without the root of GeM pooling"
    case .pooled: "a pooled map"
    case .squareSum: "a sum of squares, which quern knows in an L2 norm only"
    case .norm: "an L2 norm, by which quern can only divide the vector itself"
    case .cropped, .padded: "a cropped or padded map"
    case .part: "a part of a map or vector, whose shape alone can be asked"
    }
  }
}
