import Graphs
import Operators
import Tensors

/// The order in which a network takes the channels of its images.
package enum ChannelOrder: String, Hashable, Sendable, CaseIterable {
  case rgb
  /// OpenCV's and Caffe's.
  case bgr
}

extension Graph {
  /// Makes a network that takes BGR images one that takes RGB: where only convolutions of one group read the image, directly
  /// or after batch norms, the constants of both are reversed; otherwise a 1x1 convolution that exchanges red and blue,
  /// exactly, is put before everything else. `preprocessing` stays in the order R, G, B.
  package mutating func takeRGBInsteadOfBGR() {
    var changed = self
    if changed.reverseReaders(of: input) {
      self = changed
      return
    }
    let exchanged = makeValue()
    for index in nodes.indices { nodes[index].inputs = nodes[index].inputs.map { $0 == input ? exchanged : $0 } }
    for index in outputs.indices where outputs[index].value == input { outputs[index].value = exchanged }
    let names = Set(nodes.map(\.name))
    var name = "rgb_to_bgr"
    while names.contains(name) { name += "_" }
    nodes.insert(
      Node(
        name: name, op: Convolution(window: Window(1)), inputs: [input], output: exchanged,
        constants: ["weight": Tensor([0, 0, 1, 0, 1, 0, 1, 0, 0] as [Float], shape: [3, 1, 1, 3])]), at: 0)
  }

  /// Reverses the constants of everything that reads a map of three channels.
  ///
  /// - Returns: whether that is all that reads it; otherwise the graph is of no use any more.
  private mutating func reverseReaders(of value: ValueID) -> Bool {
    guard !outputs.contains(where: { $0.value == value }) else { return false }
    for index in nodes.indices where nodes[index].inputs.contains(value) {
      guard nodes[index].inputs == [value] else { return false }
      let constants = nodes[index].constants
      switch nodes[index].op {
      case let convolution as Convolution:
        guard convolution.groups == 1, let weight = constants["weight"], weight.shape.rank == 4, weight.shape[3] == 3,
          let reversed = weight.reversingChannels()
        else { return false }
        nodes[index].constants["weight"] = reversed
      case is BatchNormalization:
        for (role, constant) in constants {
          guard constant.shape == [3], let reversed = constant.reversingChannels() else { return false }
          nodes[index].constants[role] = reversed
        }
        guard reverseReaders(of: nodes[index].output) else { return false }
      default: return false
      }
    }
    return true
  }
}

extension Tensor {
  /// A copy of float32 elements [.., 3] with the first and the last channel exchanged; `nil` for another element type.
  fileprivate func reversingChannels() -> Tensor? {
    guard elementType == .float32 else { return nil }
    return withElements(as: Float.self) { source in
      Tensor(shape: shape, of: Float.self) { target in
        for index in source.indices { target[index] = source[index + 2 - 2 * (index % 3)] }
      }
    }
  }
}
