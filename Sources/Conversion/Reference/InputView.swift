import Graphs
import ModelImport
import Pixels
import Tensors

/// One way to turn an image into a network's input.
struct InputView: Hashable, Sendable {
  var evaluation: EvaluationProtocol
  var normalization: Preprocessing
  /// The order in which the checkpoint's network takes the channels.
  var channelOrder: ChannelOrder

  /// The input that the checkpoint's network would be given, [1, height, width, 3], in its own order of channels.
  ///
  /// - Throws: `ImageError` where the image cannot be resized and cropped in this way.
  func sourceInput(_ image: RGBImage) throws(ImageError) -> Tensor {
    let pixels = try evaluation.apply(to: image)
    let tensor = Tensor(shape: [1, pixels.height, pixels.width, 3], of: Float.self) { values in
      pixels.pixels.withUnsafeBufferPointer { normalization.normalize($0, into: values) }
    }
    return channelOrder == .bgr ? tensor.exchangingRedAndBlue() : tensor
  }

  /// The options that turn another view into this one, such as "--resize bicubic --crop-ratio 0.95".
  func options(changing other: InputView) -> [String] {
    var result: [String] = []
    if evaluation.size != other.evaluation.size { result.append("--size \(evaluation.size)") }
    if evaluation.crop != other.evaluation.crop { result.append("--crop \(evaluation.crop.rawValue)") }
    if evaluation.filter != other.evaluation.filter { result.append("--resize \(evaluation.filter.rawValue)") }
    if evaluation.crop == .square, evaluation.cropRatio != other.evaluation.cropRatio {
      result.append("--crop-ratio \(evaluation.ratioText)")
    }
    if channelOrder != other.channelOrder { result.append("--channel-order \(channelOrder.rawValue)") }
    if !normalization.isClose(to: other.normalization) {
      result.append("--mean \(normalization.text(normalization.mean)) --std \(normalization.text(normalization.std))")
    }
    return result
  }

  /// How this view, the framework's, differs from another one, such as "the resize filter (the framework's is
  /// bicubic)".
  func causes(changing other: InputView) -> [String] {
    var result: [String] = []
    func add(_ name: String, _ value: String) { result.append("the \(name) (the framework's is \(value))") }
    if evaluation.size != other.evaluation.size { add("size", "\(evaluation.size)") }
    if evaluation.crop != other.evaluation.crop { add("crop", evaluation.crop.rawValue) }
    if evaluation.filter != other.evaluation.filter { add("resize filter", evaluation.filter.rawValue) }
    if evaluation.crop == .square, evaluation.cropRatio != other.evaluation.cropRatio {
      add("crop ratio", evaluation.ratioText)
    }
    if channelOrder != other.channelOrder { add("order of channels", channelOrder.rawValue.uppercased()) }
    if !normalization.isClose(to: other.normalization) { result.append(normalization.cause) }
    return result
  }
}

extension EvaluationProtocol {
  /// The crop ratio in the form that `--crop-ratio` takes: a short decimal such as 0.95, or a fraction of pixels such
  /// as 64/78.
  var ratioText: String {
    let text = "\(cropRatio)"
    return text.count <= 6 ? text : "\(size)/\(Int(Double(size) / cropRatio))"
  }
}

extension Preprocessing {
  /// Whether the two differ by no more than rounding explains.
  func isClose(to other: Preprocessing) -> Bool {
    zip(mean, other.mean).allSatisfy { abs($0 - $1) <= 2e-6 }
      && zip(std, other.std).allSatisfy { abs($0 / $1 - 1) <= 2e-6 }
  }

  /// How the framework's normalisation differs, with the usual mistakes by their names.
  fileprivate var cause: String {
    if isClose(to: .raw) { return "the scale of pixels (the framework's are 0...255, not normalised)" }
    if isClose(to: .unit) { return "the scale of pixels (the framework's are 0...1, not normalised)" }
    if isClose(to: .half) { return "the scale of pixels (the framework's are -1...1)" }
    return
      "mean and std (the framework's are \(isClose(to: .imageNet) ? "ImageNet's" : "\(text(mean)) and \(text(std))"))"
  }

  /// Leaves pixels as they are, in 0...255.
  static let raw = Preprocessing(mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255])
  /// Scales pixels to 0...1.
  static let unit = Preprocessing(mean: [0, 0, 0], std: [1, 1, 1])

  /// Three values in the form that `--mean` and `--std` take.
  fileprivate func text(_ values: [Float]) -> String {
    values.map { value in
      if value == 1 / 255 { return "1/255" }
      let text = "\(value)"
      return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }.joined(separator: ",")
  }
}

extension Tensor {
  /// A copy of a float32 tensor [..., 3] with the first and the last channel exchanged.
  func exchangingRedAndBlue() -> Tensor {
    withElements(as: Float.self) { source in
      Tensor(shape: shape, of: Float.self) { target in
        for index in source.indices { target[index] = source[index + 2 - 2 * (index % 3)] }
      }
    }
  }

  /// A float32 tensor [3, height, width] as NHWC [1, height, width, 3].
  func asImageBatch() -> Tensor {
    let (height, width) = (shape[1], shape[2])
    return withElements(as: Float.self) { source in
      Tensor(shape: [1, height, width, 3], of: Float.self) { target in
        for channel in 0..<3 {
          for pixel in 0..<height * width { target[3 * pixel + channel] = source[channel * height * width + pixel] }
        }
      }
    }
  }
}
