import Graphs
import ModelImport
import Tensors

/// What a checkpoint's own network takes, and how that becomes the input of the network that was made of it: which takes RGB,
/// whatever the source took, and may have norms that read the image in its preprocessing.
struct SourceInput: Sendable {
  /// Of the source.
  let normalization: Preprocessing
  let channelOrder: ChannelOrder
  /// Of the network.
  let network: Preprocessing

  /// The source's input [n, height, width, 3] as the network takes it.
  func networkInput(_ input: Tensor) -> Tensor {
    let rgb = channelOrder == .bgr ? input.exchangingRedAndBlue() : input
    guard normalization != network else { return rgb }
    return rgb.withElements(as: Float.self) { source in
      Tensor(shape: rgb.shape, of: Float.self) { target in
        for index in source.indices {
          let color = index % 3
          let pixel = Double(source[index]) * Double(normalization.std[color]) + Double(normalization.mean[color])
          target[index] = Float((pixel - Double(network.mean[color])) / Double(network.std[color]))
        }
      }
    }
  }
}

extension Preprocessing {
  /// The source's preprocessing of a network whose preprocessing is `folded`, where folding the norms that read the image made
  /// `becameOf` of `known`.
  static func source(of folded: Preprocessing, as known: Preprocessing, becameOf result: Preprocessing) -> Preprocessing
  {
    guard known != result else { return folded }
    var source = folded
    for color in 0..<3 {
      let factor = Double(known.std[color]) / Double(result.std[color])
      let offset = (Double(known.mean[color]) - Double(result.mean[color])) / Double(result.std[color])
      source.std[color] = Float(Double(folded.std[color]) * factor)
      source.mean[color] = Float(Double(folded.mean[color]) + offset * Double(folded.std[color]))
    }
    return source
  }
}
