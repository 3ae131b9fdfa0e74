import Tensors

/// Merges groups of a convolution into larger ones, whose weights are block-diagonal. The products with zeros cost less
/// than kernels lose on groups of few output channels. Results do not change, since the zeros add nothing.
struct GroupMerging {
  /// The number of groups that are merged into one.
  let factor: Int
  /// The number of groups after merging.
  let groups: Int

  /// The number of output channels that kernels compute at once.
  private static let width = 16

  init(groups: Int, outputs: Int) {
    let outputsPerGroup = outputs / max(groups, 1)
    // As many groups as fit the width, if that number divides the number of groups.
    let maxFactor = groups > 1 ? max(1, Self.width / max(outputsPerGroup, 1)) : 1
    factor = (1...maxFactor).last { groups % $0 == 0 } ?? 1
    self.groups = groups / factor
  }

  /// The weights [O, kh, kw, I / groups] with `factor` times the input channels, zero outside the channel's own group.
  func weights<Element: TensorElement & ExpressibleByIntegerLiteral>(_ weight: Tensor, as type: Element.Type) -> Tensor
  {
    if factor == 1 { return weight }
    let shape = weight.shape
    let (taps, depth) = (shape[1] * shape[2], shape[3])
    let outputsPerGroup = shape[0] / (groups * factor)
    return weight.withElements(as: Element.self) { values in
      Tensor(shape: [shape[0], shape[1], shape[2], depth * factor], of: Element.self) { merged in
        merged.initialize(repeating: 0)
        for output in 0..<shape[0] {
          let position = output / outputsPerGroup % factor
          for tap in 0..<taps {
            let from = (output * taps + tap) * depth
            let to = (output * taps + tap) * depth * factor + position * depth
            for channel in 0..<depth { merged[to + channel] = values[from + channel] }
          }
        }
      }
    }
  }
}
