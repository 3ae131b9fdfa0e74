import Graphs
import Operators
import Tensors

/// The building blocks of the cells of NASNet (Zoph et al., arXiv 1707.07012) and PNASNet (Liu et al., arXiv
/// 1712.00559), with the names of Cadene's pretrained-models. A convolution comes after its ReLU and before its batch
/// norm.
extension GraphBuilder {
  /// Chooses between the layers without weights of pretrained-models, which are assumed, and those of timm, which
  /// `--padding same` states.
  ///
  /// - Parameter sibling: timm's network with the same tensors and where it is the same; `nil` where it has none.
  mutating func chooseCells(unlike sibling: String?) {
    use("--padding")
    padsLikeTensorFlow = options.padding == .same
    guard options.padding == nil else { return }
    assume(
      "layers without weights are those of pretrained-models: how reductions of even maps are aligned, and average pools "
        + "that leave their padding out"
        + (sibling.map { "; \($0) has the same tensors and pads as TensorFlow's SAME does for the size of each map" }
          ?? ""),
      option: "--padding same", isDoubtful: sibling != nil)
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
    guard shift, !padsLikeTensorFlow else { return body(&self, layer) }
    let margins = MapMargins(top: 1, left: 1)
    let result = body(&self, pad("\(name).pad", layer, margins))
    return crop("\(name).crop", result, margins)
  }

  mutating func cellMaxPool(_ name: String, _ layer: Layer, stride: Int = 1, shift: Bool = false) -> Layer {
    shifted(name, layer, shift) { builder, map in
      var window = Window(3, stride: stride, padding: 1)
      if builder.padsLikeTensorFlow { window.padLikeTensorFlow() }
      return builder.maxPool(name, map, window: window)
    }
  }

  mutating func cellAveragePool(_ name: String, _ layer: Layer, stride: Int = 1, shift: Bool = false) -> Layer {
    if padsLikeTensorFlow, stride > 1 { return averageWithPadding(name, layer, Window(3, stride: stride)) }
    return shifted(name, layer, shift) { builder, map in
      builder.averagePool(name, map, window: Window(3, stride: stride, padding: 1))
    }
  }

  /// The average of windows whose padding follows from the size of the map and counts as zeros, as in timm, in the form
  /// of a convolution of each channel: poolings with such padding leave it out.
  private mutating func averageWithPadding(_ name: String, _ layer: Layer, _ window: Window) -> Layer {
    var window = window
    window.padLikeTensorFlow()
    let taps = layer.channels * window.taps
    let weight = Tensor(
      [Float](repeating: 1 / Float(window.taps), count: taps), shape: [layer.channels, window.height, window.width, 1])
    return layer.with(
      graph.append(
        Convolution(window: window, groups: layer.channels), name: name, inputs: [layer.value],
        constants: ["weight": weight]))
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
