import Graphs
import Tensors

extension Session {
  /// Evaluates a batch of RGB images of one size, given as pixels: normalised first where the graph takes floats.
  ///
  /// - Parameters:
  ///   - pixels: NHWC uint8, `batch * height * width * 3` elements.
  package func run(
    pixels: UnsafeBufferPointer<UInt8>, batch: Int = 1, height: Int, width: Int, observer: Observer? = nil
  ) throws(GraphError) -> [String: Tensor] {
    let shape: Shape = [batch, height, width, 3]
    precondition(pixels.count == shape.elementCount, "\(pixels.count) pixel values for \(shape)")
    let preprocessing = executable.graph.preprocessing
    let takesPixels = executable.takesPixels
    let imageSize = height * width * 3
    return try run(shape: shape, observer: observer) { image, input in
      let pixels = UnsafeBufferPointer(rebasing: pixels[image * imageSize..<(image + 1) * imageSize])
      if takesPixels {
        input.copyMemory(from: UnsafeRawBufferPointer(pixels))
      } else {
        preprocessing.normalize(pixels, into: input.bindMemory(to: Float.self))
      }
    }
  }

  /// The same for pixels in an array.
  package func run(
    pixels: [UInt8], batch: Int = 1, height: Int, width: Int, observer: Observer? = nil
  ) throws(GraphError) -> [String: Tensor] {
    // Closures of the standard library's own functions do not carry typed errors through.
    let result: Result<[String: Tensor], GraphError> = pixels.withUnsafeBufferPointer { pixels in
      Result { () throws(GraphError) in
        try run(pixels: pixels, batch: batch, height: height, width: width, observer: observer)
      }
    }
    return try result.get()
  }

  /// Evaluates an NHWC float32 batch that is already normalised; the graph must take floats.
  package func run(
    normalized input: Tensor, observer: Observer? = nil
  ) throws(GraphError) -> [String: Tensor] {
    guard !executable.takesPixels else { throw .structure("this graph takes pixels, not normalised values") }
    guard input.elementType == .float32 else {
      throw .structure("the input holds \(input.elementType), not normalised float32 values")
    }
    return try run(shape: input.shape, observer: observer) { image, target in
      input.withBytes { bytes in
        target.copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[image * target.count..<(image + 1) * target.count]))
      }
    }
  }
}

extension Preprocessing {
  /// `(pixel / 255 - mean) / std` for interleaved RGB, rounded after each step as PyTorch rounds it.
  package func normalize(_ pixels: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<Float>) {
    // 256 values for each channel, computed once.
    let table = (0..<3).flatMap { channel in (0..<256).map { (Float($0) / 255 - mean[channel]) / std[channel] } }
    table.withUnsafeBufferPointer { table in
      for pixel in 0..<pixels.count / 3 {
        for channel in 0..<3 {
          output[3 * pixel + channel] = table[256 * channel + Int(pixels[3 * pixel + channel])]
        }
      }
    }
  }
}
