import Checkpoints
import Graphs
import Operators
import Tensors

/// A step of global response normalisation (Woo et al., arXiv 2301.00808, section 4): the norm of each channel's map,
/// divided by the mean of these norms.
struct ONNXResponse {
  enum Kind {
    /// The sum of the squares of each channel.
    case squares
    /// Its root.
    case norm
    /// The mean of the norms over the channels, plus epsilon.
    case mean
  }

  /// The map.
  let base: ONNXActivation
  private(set) var kind: Kind
  private(set) var epsilon = 0.0
  private(set) var shape: Shape
  let channelAxis: Int

  /// The reduction of a map over some axes; `nil` unless these are its height and its width.
  init?(of base: ONNXActivation, _ kind: Kind, axes: Set<Int>, keepsAxes: Bool) {
    guard base.isMap, axes == Set(base.spatialAxes) else { return nil }
    (self.base, self.kind) = (base, kind)
    if keepsAxes {
      shape = Shape(base.shape.dimensions.enumerated().map { axes.contains($0) ? 1 : $1 })
      channelAxis = base.channelAxis
    } else {
      (shape, channelAxis) = ([base.shape[0], base.channels], 1)
    }
  }

  /// The mean of the norms over some axes, which are kept with an extent of 1; `nil` unless this is the mean over the
  /// channels.
  func averaged(over axes: Set<Int>) -> ONNXResponse? {
    guard kind == .norm, axes == [channelAxis] else { return nil }
    var result = with(.mean)
    result.shape.dimensions[channelAxis] = 1
    return result
  }

  func with(_ kind: Kind) -> ONNXResponse {
    var result = self
    result.kind = kind
    return result
  }

  func with(epsilon: Double) -> ONNXResponse {
    var result = self
    result.epsilon = epsilon
    return result
  }
}

extension ONNXTranslator {
  /// The norms of the channels divided by their mean; `nil` for other quotients.
  mutating func responseQuotient(_ node: ONNXModel.Node) throws(ImportError) -> ONNXValue? {
    guard case .step(.response(let norm)) = try value(node, 0), norm.kind == .norm,
      case .step(.response(let mean)) = try value(node, 1), mean.kind == .mean,
      norm.base.value == mean.base.value, norm.shape.rank == mean.shape.rank, norm.channelAxis == mean.channelAxis
    else { return nil }
    let result = try append(ChannelResponse(epsilon: mean.epsilon), node: node, inputs: [norm.base])
    return .activation(result.with(shape: norm.shape, channelAxis: norm.channelAxis))
  }
}
