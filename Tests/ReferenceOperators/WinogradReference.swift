import Operators
import Tensors

/// How far a 3x3 convolution by Winograd's filtering F(2x2, 3x3) may be off.
///
/// With u = 2^-24, a transformed pixel is within 2 u, to first order, of the sum of its terms' magnitudes, and a transformed
/// weight within u of itself; a sum of n products in any order is within (n + 2) u of the sum of their magnitudes, and four
/// additions transform it back (Higham, "Accuracy and Stability of Numerical Algorithms", section 3.1, applied as by
/// Barabasz et al., "Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks", ACM TOMS
/// 46, 2020, section 3). So an output is within n + 9 u and one for the residual of
/// |A^T| [ sum of |G g G^T| * (|B^T| |d| |B|) ] |A|.
struct WinogradReference {
  private let window: Window
  private let input: Shape
  private let pixels: [Double]
  private let bias: [Double]?
  /// [outputs][frequencies][inputs].
  private let transformedWeights: [Double]

  init(_ window: Window, _ input: Shape, _ pixels: [Double], _ weight: [Double], _ bias: [Double]?) {
    (self.window, self.input, self.pixels, self.bias) = (window, input, pixels, bias)
    let depth = input.channels
    let g: [[Double]] = [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]
    var transformed: [Double] = []
    for n in 0..<weight.count / (9 * depth) {
      for frequency in 0..<16 {
        let (rows, columns) = (g[frequency / 4], g[frequency % 4])
        for k in 0..<depth {
          transformed.append(
            (0..<9).reduce(0) { $0 + rows[$1 / 3] * columns[$1 % 3] * weight[(n * 9 + $1) * depth + k] })
        }
      }
    }
    transformedWeights = transformed
  }

  /// - Parameter residual: that is added, of which the output is the top left corner.
  func bounds(_ output: Shape, _ residual: (shape: Shape, values: [Double])?) -> [Double] {
    let factor = Double(input.channels + 12) * FloatReference.u
    var bounds = [Double](repeating: 0, count: output.elementCount)
    for image in 0..<output.batch {
      for row in stride(from: 0, to: output.height, by: 2) {
        for column in stride(from: 0, to: output.width, by: 2) {
          let magnitudes = magnitudes(image: image, row: row, column: column, outputs: output.channels)
          for place in 0..<4 where row + place / 2 < output.height && column + place % 2 < output.width {
            let position = (image * output.height + row + place / 2) * output.width + column + place % 2
            for n in 0..<output.channels {
              var magnitude = magnitudes[n][place] + abs(bias?[n] ?? 0)
              if let residual {
                let pixel = CornerReference.pixel(position, of: output, in: residual.shape)
                magnitude += abs(residual.values[pixel * output.channels + n])
              }
              bounds[position * output.channels + n] = factor * magnitude
            }
          }
        }
      }
    }
    return bounds
  }

  /// For each output channel the magnitudes behind the four outputs of a tile.
  private func magnitudes(image: Int, row: Int, column: Int, outputs: Int) -> [[Double]] {
    let depth = input.channels
    // Which terms of d and of m add up, without their signs.
    let inputTerms = [[0, 2], [1, 2], [1, 2], [1, 3]]
    let outputTerms = [[0, 1, 2], [1, 2, 3]]
    let transformed: [[Double]] = (0..<16).map { frequency in
      (0..<depth).map { k in
        var sum = 0.0
        for i in inputTerms[frequency / 4] {
          for j in inputTerms[frequency % 4] { sum += pixel(image, row + i - window.top, column + j - window.left, k) }
        }
        return sum
      }
    }
    return (0..<outputs).map { n in
      let products: [Double] = (0..<16).map { frequency in
        let first = (n * 16 + frequency) * depth
        return (0..<depth).reduce(0) { $0 + abs(transformedWeights[first + $1]) * transformed[frequency][$1] }
      }
      return (0..<4).map { place in
        outputTerms[place / 2].reduce(0) { sum, i in
          outputTerms[place % 2].reduce(sum) { $0 + products[4 * i + $1] }
        }
      }
    }
  }

  /// The magnitude of an element, zero outside the map.
  private func pixel(_ image: Int, _ row: Int, _ column: Int, _ k: Int) -> Double {
    guard 0..<input.height ~= row, 0..<input.width ~= column else { return 0 }
    return abs(pixels[((image * input.height + row) * input.width + column) * input.channels + k])
  }
}
