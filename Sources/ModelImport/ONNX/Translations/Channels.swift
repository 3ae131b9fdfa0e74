import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  /// A convolution of [N, 1, C] along the channels of a vector, as efficient channel attention has it.
  static func channelConvolution(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node
  ) throws(ImportError) -> ONNXValue {
    let source = try translator.activation(node, 0)
    let weight = try translator.weights(node, 1, rank: 3)
    guard source.isRow, source.shape.rank == 3, source.shape[1] == 1, weight.shape[0] == 1, weight.shape[1] == 1 else {
      throw translator.unsupported(
        node, "a convolution along one axis of \(source.shape) with weights of \(weight.shape)")
    }
    let size = weight.shape[2]
    guard try translator.integers(node, "kernel_shape", default: [size]) == [size],
      try translator.integer(node, "group", default: 1) == 1
    else { throw translator.bad(node, "its attributes do not fit weights of \(weight.shape)") }
    let pads = try translator.integers(node, "pads", default: [0, 0])
    let mode = try translator.text(node, "auto_pad", default: "NOTSET")
    guard try translator.integers(node, "strides", default: [1]) == [1],
      try translator.integers(node, "dilations", default: [1]) == [1] || size == 1, mode == "NOTSET" || mode.isEmpty,
      pads.allSatisfy({ 0..<size ~= $0 }), pads[0] + pads[1] == size - 1
    else {
      throw translator.unsupported(node, "a convolution along the channels of a vector that changes their number")
    }
    let op: ChannelConvolution
    do { op = try ChannelConvolution(before: pads[0]) } catch { throw translator.unsupported(node, "\(error)") }
    let kernel = weight.contiguous().reshaped([size])
    let result = try translator.appendKeepingShape(op, node: node, source, constants: ["weight": kernel])
    guard translator.hasInput(node, 2) else { return .activation(result) }
    let bias = try translator.weights(node, 2, rank: 1)
    guard bias.elementCount == 1, let number = ONNXArray(bias)?.values.first else {
      throw translator.bad(node, "its bias '\(node.inputs[2])' has \(bias.elementCount) elements")
    }
    return .activation(try translator.appendScale(of: result, factor: 1, offset: number, node: node))
  }

  /// A softmax over an axis of a view, which runs over branches of a vector; `nil` for other axes.
  static func branchSoftmax(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ view: ONNXView, axis: Int
  ) throws(ImportError) -> ONNXValue? {
    guard view.base.isRow, view.affine == nil, axis > 0, let positions = view.positions(axis, along: .channel),
      positions.count > 1, let all = view.channels(Array(1..<view.axes.count)), Set(all).count == view.base.channels,
      all.count == view.base.channels
    else { return nil }
    let (branches, stride) = (positions.count, positions[1] - positions[0])
    guard stride > 0, zip(positions, positions.dropFirst()).allSatisfy({ $1 - $0 == stride }),
      view.base.channels % (branches * stride) == 0
    else { return nil }
    // The first element of every sum must start a block of branches.
    guard let others = view.selecting([0], axis: axis)?.channels(Array(1..<view.axes.count)),
      others.allSatisfy({ $0 % (branches * stride) < stride })
    else { return nil }
    let op: Softmax
    do { op = try Softmax(branches: branches, stride: stride) } catch { throw translator.bad(node, "\(error)") }
    let result = try translator.append(op, node: node, inputs: [view.base])
    return translator.value(of: view.of(view.base.replaced(by: result.value)))
  }
}
