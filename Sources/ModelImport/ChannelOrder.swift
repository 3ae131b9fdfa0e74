import Graphs
import Operators
import Tensors

/// The order in which a network expects the channels of its images. The raw values are those of the command line.
package enum ChannelOrder: String, Hashable, Sendable, CaseIterable {
  case rgb
  /// The order of OpenCV and Caffe.
  case bgr
}

extension Graph {
  /// Converts a network that expects BGR images into one that expects RGB. Where only ungrouped convolutions read the
  /// image, directly or after batch norms, the constants of both are reversed. Otherwise a 1x1 convolution that swaps
  /// red and blue, which is exact, is inserted before all other nodes. `preprocessing` stays in the order R, G, B.
  package mutating func convertInputToRGB() {
    var changed = self
    if changed.reverseReaders(of: input) {
      self = changed
      return
    }
    let swapped = makeValue()
    for index in nodes.indices { nodes[index].inputs = nodes[index].inputs.map { $0 == input ? swapped : $0 } }
    for index in outputs.indices where outputs[index].value == input { outputs[index].value = swapped }
    let names = Set(nodes.map(\.name))
    var name = "rgb_to_bgr"
    while names.contains(name) { name += "_" }
    nodes.insert(
      Node(
        name: name, op: Convolution(window: Window(1)), inputs: [input], output: swapped,
        constants: ["weight": Tensor([0, 0, 1, 0, 1, 0, 1, 0, 0] as [Float], shape: [3, 1, 1, 3])]), at: 0)
  }

  /// Reverses the input channels of every node that reads a map of three channels.
  ///
  /// - Returns: whether this was possible for every reader. If not, the graph is left half changed and must be
  ///   discarded.
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
  /// A copy of a float32 tensor [.., 3] with the first and the last channel swapped; `nil` for another element type.
  fileprivate func reversingChannels() -> Tensor? {
    guard elementType == .float32 else { return nil }
    return withElements(as: Float.self) { source in
      Tensor(shape: shape, of: Float.self) { target in
        for index in source.indices { target[index] = source[index + 2 - 2 * (index % 3)] }
      }
    }
  }
}
