import Checkpoints
import Graphs
import Operators
import Suggestions
import Tensors

/// The input of an ONNX model that takes the images.
struct ONNXImageInput {
  let name: String
  /// Whether its axes are NHWC, as TensorFlow has them, rather than NCHW.
  let isChannelsLast: Bool
  /// Whether it takes pixels as bytes.
  let takesBytes: Bool
  /// The extents; `nil` where they are dynamic.
  private let batch: Int?
  private var height: Int?
  private var width: Int?

  /// Finds the input for images.
  ///
  /// - Throws: `ImportError.badNetwork` where the model does not have a single input, or it is not one of RGB images.
  init(_ model: ONNXModel) throws(ImportError) {
    guard model.inputs.count == 1 else {
      throw .badNetwork(
        "the model has \(model.inputs.count) inputs, \(quotedNames(model.inputs.map(\.name))), but one is expected"
      )
    }
    let input = model.inputs[0]
    guard let dimensions = input.dimensions, dimensions.count == 4 else {
      throw .badNetwork("the input '\(input.name)' is not a batch of images: it must have 4 axes, NCHW or NHWC")
    }
    guard input.elementType?.isFloatingPoint ?? true || input.elementType == .uint8 else {
      throw .badNetwork(
        "the input '\(input.name)' is \(input.elementType.map { "\($0)" } ?? ""), neither floating-point nor bytes")
    }
    name = input.name
    takesBytes = input.elementType == .uint8
    if dimensions[1] == .fixed(3) {
      isChannelsLast = false
    } else if dimensions[3] == .fixed(3) {
      isChannelsLast = true
    } else if case .fixed(let channels) = dimensions[1] {
      throw .badNetwork("the input '\(input.name)' has \(channels) channels, but RGB images have 3")
    } else {
      isChannelsLast = false
    }
    func extent(_ axis: Int) throws(ImportError) -> Int? {
      guard case .fixed(let extent) = dimensions[axis] else { return nil }
      guard (1...8192).contains(extent) else {
        throw .badNetwork("the input '\(input.name)' has an extent of \(extent)")
      }
      return extent
    }
    batch = try extent(0)
    height = try extent(isChannelsLast ? 1 : 2)
    width = try extent(isChannelsLast ? 2 : 3)
  }

  /// The model's image size in pixels; `nil` where its height or width is dynamic.
  var fixedSize: FixedImageSize? {
    guard let height, let width else { return nil }
    return FixedImageSize(height: height, width: width)
  }

  /// As `fixedSize`, also where only one of them is dynamic: images are square.
  var statedSize: FixedImageSize? {
    guard let side = height ?? width else { return nil }
    return FixedImageSize(height: height ?? side, width: width ?? side)
  }

  /// The same input for images of one size: dynamic extents get the given side.
  func fixing(side: Int) -> ONNXImageInput {
    var result = self
    (result.height, result.width) = (height ?? side, width ?? side)
    return result
  }

  /// The sides of images to try, in this order, for a network that takes only one size and does not state it: the
  /// usual ones first.
  static let usualSides = [
    224, 112, 299, 256, 32, 64, 96, 128, 160, 192, 227, 240, 260, 288, 300, 320, 331, 380, 384, 448, 480, 512, 28,
  ]

  /// Whether the height or the width is dynamic.
  var isSizeOpen: Bool { fixedSize == nil }

  /// The sizes for which a model that states none is translated: with even and odd extents after each halving, so that
  /// nodes that depend on the size are found; with another height than width; and with larger extents than images have,
  /// so that those of slices and windows are exceeded, if they are at any size.
  private static let probeSizes = [(224, 224), (331, 193), (193, 255), (255, 226), (226, 331), (4093, 8192)]

  /// The input shapes to translate the model for, in its order of axes. Where the size is dynamic, there are several.
  var probes: [Shape] {
    let sizes = isSizeOpen ? Self.probeSizes : [Self.probeSizes[0]]
    return sizes.map { height, width in shape(height: height, width: width) }
  }

  /// The input shape for images of a size, except for the extents that the model states.
  func shape(height: Int, width: Int) -> Shape {
    let (batch, height, width) = (batch ?? 1, self.height ?? height, self.width ?? width)
    return isChannelsLast ? [batch, height, width, 3] : [batch, 3, height, width]
  }
}

/// The scale and offset that a network applies to its image before anything else, by arithmetic with constants.
struct ONNXInputArithmetic {
  /// `factor * x + offset` for each of R, G and B.
  private(set) var factor = [Double](repeating: 1, count: 3)
  private(set) var offset = [Double](repeating: 0, count: 3)

  /// Follows the arithmetic from the image on.
  ///
  /// - Parameter arithmetic: the results of arithmetic with constants.
  /// - Returns: `nil` where the image is not first read by such arithmetic, or a factor is not positive and finite.
  init?(_ graph: Graph, arithmetic: Set<ValueID>) {
    let consumers = graph.consumers
    var value = graph.input
    while let readers = consumers[value], readers.count == 1 {
      let node = graph.nodes[readers[0]]
      guard arithmetic.contains(node.output), let norm = node.op as? BatchNormalization,
        let affine = try? norm.affine(node.constants), affine.factor.count == 3
      else { break }
      for color in 0..<3 {
        factor[color] *= affine.factor[color]
        offset[color] = offset[color] * affine.factor[color] + affine.offset[color]
      }
      value = node.output
    }
    guard value != graph.input, factor.allSatisfy({ $0 > 0 && $0.isFinite }), offset.allSatisfy(\.isFinite) else {
      return nil
    }
  }

  /// The numbers that the network subtracts from its image.
  var mean: [Double] { zip(factor, offset).map { -$1 / $0 } }
  /// The numbers that it then divides by.
  var deviation: [Double] { factor.map { 1 / $0 } }

  /// Whether the numbers are plausible only for pixels in 0...255; those for pixels in 0...1 are at most about 1.
  var isOfBytes: Bool { mean.contains { $0 > 10 } || deviation.contains { $0 > 10 } }

  /// Continues "the network" or "it".
  var description: String {
    func list(_ values: [Double]) -> String { values.map { "\(Float($0))" }.joined(separator: ",") }
    return "subtracts \(list(mean)) from its input and divides it by \(list(deviation))"
  }
}
