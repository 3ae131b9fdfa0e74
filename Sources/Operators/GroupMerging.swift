import Tensors

/// Several groups of a convolution as one, whose weights are block-diagonal: what the products with zeros cost is less than
/// what kernels lose on groups of a few output channels. Results do not change: the zeros add nothing.
struct GroupMerging {
  /// Groups that become one.
  let factor: Int
  let groups: Int

  /// The output channels that kernels work on at once.
  private static let width = 16

  init(groups: Int, outputs: Int) {
    let outputsPerGroup = outputs / max(groups, 1)
    // The most groups that fit the width and divide the number of groups.
    let most = groups > 1 ? max(1, Self.width / max(outputsPerGroup, 1)) : 1
    factor = (1...most).last { groups % $0 == 0 } ?? 1
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
          let place = output / outputsPerGroup % factor
          for tap in 0..<taps {
            let from = (output * taps + tap) * depth
            let to = (output * taps + tap) * depth * factor + place * depth
            for channel in 0..<depth { merged[to + channel] = values[from + channel] }
          }
        }
      }
    }
  }
}
