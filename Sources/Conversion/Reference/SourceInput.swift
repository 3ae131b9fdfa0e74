import Graphs
import ModelImport
import Tensors

/// Turns the input of a checkpoint's network into the input of the network imported from it. The imported network
/// always takes RGB, and norms that read the image may have been folded into its preprocessing.
struct SourceInput: Sendable {
  /// The normalisation that the checkpoint's network expects.
  let normalization: Preprocessing
  /// The order in which the checkpoint's network takes the channels.
  let channelOrder: ChannelOrder
  /// The normalisation that the imported network expects.
  let network: Preprocessing

  /// The input [n, height, width, 3] of the checkpoint's network, as the imported network takes it.
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
  /// The preprocessing of a checkpoint's network, given that of the imported network, `folded`. Folding the norms that
  /// read the image is the same change for any preprocessing, and is known by an example: it turned `original` into
  /// `result`.
  static func source(
    of folded: Preprocessing, as original: Preprocessing, becameOf result: Preprocessing
  ) -> Preprocessing {
    guard original != result else { return folded }
    var source = folded
    for color in 0..<3 {
      let factor = Double(original.std[color]) / Double(result.std[color])
      let offset = (Double(original.mean[color]) - Double(result.mean[color])) / Double(result.std[color])
      source.std[color] = Float(Double(folded.std[color]) * factor)
      source.mean[color] = Float(Double(folded.mean[color]) + offset * Double(folded.std[color]))
    }
    return source
  }
}
