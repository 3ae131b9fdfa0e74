import Graphs
import Tensors

extension Session {
  /// Evaluates a batch of RGB images of one size, given as pixels. They are normalised first where the graph takes
  /// float32.
  ///
  /// - Parameters:
  ///   - pixels: NHWC uint8, `batch * height * width * 3` elements.
  ///   - observer: As for `run(shape:observer:fillInput:)`.
  /// - Returns: The outputs by name, float32.
  /// - Throws: The errors of `run(shape:observer:fillInput:)`.
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

  /// As above, with the pixels in an array.
  ///
  /// - Throws: The errors of `run(shape:observer:fillInput:)`.
  package func run(
    pixels: [UInt8], batch: Int = 1, height: Int, width: Int, observer: Observer? = nil
  ) throws(GraphError) -> [String: Tensor] {
    // `withUnsafeBufferPointer` does not rethrow typed errors.
    let result: Result<[String: Tensor], GraphError> = pixels.withUnsafeBufferPointer { pixels in
      Result { () throws(GraphError) in
        try run(pixels: pixels, batch: batch, height: height, width: width, observer: observer)
      }
    }
    return try result.get()
  }

  /// Evaluates an NHWC float32 batch that is already normalised.
  ///
  /// - Throws: `GraphError.structure` where the graph takes pixels or `input` is not float32; the errors of
  ///   `run(shape:observer:fillInput:)`.
  package func run(
    normalized input: Tensor, observer: Observer? = nil
  ) throws(GraphError) -> [String: Tensor] {
    guard !executable.takesPixels else { throw .structure("this graph takes pixels, not normalised values") }
    guard input.elementType == .float32 else {
      throw .structure("the input is \(input.elementType), not normalised float32 values")
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
  /// `(pixel / 255 - mean) / std` for interleaved RGB, rounded to float32 after each operation, as in PyTorch.
  ///
  /// - Parameter output: Memory for as many elements as there are pixel values.
  package func normalize(_ pixels: UnsafeBufferPointer<UInt8>, into output: UnsafeMutableBufferPointer<Float>) {
    PixelNormalization(self).apply(pixels, to: output)
  }
}

/// Preprocessing with its 256 results for each channel computed.
package struct PixelNormalization: Sendable {
  private let table: [Float]

  package init(_ preprocessing: Preprocessing) {
    let (mean, std) = (preprocessing.mean, preprocessing.std)
    table = (0..<3).flatMap { channel in
      (0..<256).map { (value: Int) -> Float in (Float(value) / 255 - mean[channel]) / std[channel] }
    }
  }

  /// Normalises interleaved RGB, without allocating memory.
  ///
  /// - Parameter output: Memory for as many elements as there are pixel values.
  package func apply(_ pixels: UnsafeBufferPointer<UInt8>, to output: UnsafeMutableBufferPointer<Float>) {
    table.withUnsafeBufferPointer { table in
      for pixel in 0..<pixels.count / 3 {
        for channel in 0..<3 {
          output[3 * pixel + channel] = table[256 * channel + Int(pixels[3 * pixel + channel])]
        }
      }
    }
  }
}
