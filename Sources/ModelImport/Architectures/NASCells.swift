import Graphs
import Operators
import Tensors

/// The building blocks of the cells of NASNet (Zoph et al., arXiv 1707.07012) and PNASNet (Liu et al., arXiv
/// 1712.00559), with the names of Cadene's pretrained-models. A convolution comes after its ReLU and before its batch
/// norm.
extension GraphBuilder {
  /// Records the assumption about layers without weights, which is the same for both families.
  mutating func assumeCells() {
    assume(
      "layers without weights are those of pretrained-models: how reductions of even maps are aligned, and average pools "
        + "that leave their padding out")
  }

  /// ReLU, a convolution with the kernel size of its weight, and a batch norm.
  mutating func reluConvNorm(_ name: String, _ layer: Layer, stride: Int = 1) -> Layer {
    let activated = relu("\(name).relu", layer)
    let map = convolution("\(name).conv", activated.value, inputChannels: layer.channels, stride: stride)
    return batchNorm("\(name).bn", map)
  }

  /// Twice: ReLU, depthwise and pointwise convolution, batch norm. The first depthwise convolution has the stride.
  ///
  /// - Parameter shift: whether to align the windows as TensorFlow does on even maps; see `shifted`.
  mutating func separable(_ name: String, _ layer: Layer, stride: Int = 1, shift: Bool = false) -> Layer {
    let first = relu("\(name).relu_1", layer)
    let middle = shifted("\(name).separable_1", first, shift) { builder, map in
      builder.separableConvolution("\(name).separable_1", map, stride: stride)
    }
    let normalized = batchNorm("\(name).bn_sep_1", middle)
    let second = relu("\(name).relu_2", normalized)
    let last = separableConvolution("\(name).separable_2", second, stride: 1)
    return batchNorm("\(name).bn_sep_2", last)
  }

  private mutating func separableConvolution(_ name: String, _ layer: Layer, stride: Int) -> Layer {
    let depthwise = convolution(
      "\(name).depthwise_conv2d", layer.value, inputChannels: layer.channels, stride: stride)
    return convolution("\(name).pointwise_conv2d", depthwise.value, inputChannels: depthwise.channels)
  }

  /// Runs `body` on a map with a row and a column of zeros before it and drops the first row and column of the result.
  /// A symmetrically padded window of stride 2 then covers the same pixels as with TensorFlow's asymmetric padding.
  private mutating func shifted(
    _ name: String, _ layer: Layer, _ shift: Bool, _ body: (inout GraphBuilder, Layer) -> Layer
  ) -> Layer {
    guard shift else { return body(&self, layer) }
    let margins = MapMargins(top: 1, left: 1)
    let result = body(&self, pad("\(name).pad", layer, margins))
    return crop("\(name).crop", result, margins)
  }

  mutating func cellMaxPool(_ name: String, _ layer: Layer, stride: Int = 1, shift: Bool = false) -> Layer {
    shifted(name, layer, shift) { builder, map in
      builder.maxPool(name, map, window: Window(3, stride: stride, padding: 1))
    }
  }

  mutating func cellAveragePool(_ name: String, _ layer: Layer, stride: Int = 1, shift: Bool = false) -> Layer {
    shifted(name, layer, shift) { builder, map in
      builder.averagePool(name, map, window: Window(3, stride: stride, padding: 1))
    }
  }

  /// Halves a map: every second pixel, and every second pixel of the map shifted by one, each go through a 1x1
  /// convolution; the results are concatenated by channel and go through a batch norm.
  ///
  /// - Parameter name: the prefix of `.path_1`.
  mutating func factorizedReduction(_ name: String, _ layer: Layer) -> Layer {
    let activated = relu("\(name).relu", layer)
    let everySecond = Window(1, stride: 2)
    let even = averagePool("\(name).path_1.avgpool", activated, window: everySecond)
    let first = convolution("\(name).path_1.conv", even.value, inputChannels: even.channels)
    let padded = pad("\(name).path_2.pad", activated, MapMargins(bottom: 1, right: 1))
    let moved = crop("\(name).path_2.crop", padded, MapMargins(top: 1, left: 1))
    let odd = averagePool("\(name).path_2.avgpool", moved, window: everySecond)
    let second = convolution("\(name).path_2.conv", odd.value, inputChannels: odd.channels)
    let both = concatenate("\(name).final_path_concat", [first, second])
    return batchNorm("\(name).final_path_bn", both)
  }
}
