import CKernels
import Kernels

/// Mean and covariance, in levels, of patches that a group of a convolution reads from some maps. They are exact, as
/// sums of integers do not depend on their order.
struct PatchMoments {
  /// The number of inputs of a patch: taps x channels.
  let inputs: Int
  /// The number of patches.
  let samples: Int
  /// The sum of each input.
  private var sums: [Int32]
  /// The sums of products of inputs, [inputs][inputs], lower triangle.
  private var products: [Int32]

  /// The variance that rounding adds to each input, in steps squared: even an input that was constant in the sample is
  /// uncertain.
  static let rounding: Float = 1 / 12

  fileprivate init(inputs: Int, samples: Int) {
    (self.inputs, self.samples) = (inputs, samples)
    sums = [Int32](repeating: 0, count: inputs)
    products = [Int32](repeating: 0, count: inputs * inputs)
  }

  /// - Parameter packed: patches in the layout of quern_moments.h.
  fileprivate mutating func add(_ packed: UnsafePointer<UInt8>, quads: Int, kernels: KernelSet) {
    sums.withUnsafeMutableBufferPointer { sums in
      products.withUnsafeMutableBufferPointer { products in
        var arguments = quern_moments_args()
        (arguments.packed, arguments.quads, arguments.columns) = (packed, quads, inputs)
        (arguments.sums, arguments.moments, arguments.stride) = (sums.baseAddress, products.baseAddress, inputs)
        kernels.moments.add(&arguments)
      }
    }
  }

  /// E[x], in levels.
  func mean(of input: Int) -> Double { Double(sums[input]) / Double(samples) }

  /// E[(x - E[x]) (y - E[y])] of two inputs, given the larger index first, plus the variance of rounding for an input
  /// and itself. Means are subtracted because the bias compensates for what a change of weights does to the mean.
  @inline(__always)
  func covariance(_ input: Int, _ other: Int) -> Float {
    // Neither product overflows: sums are below 2^23 and products below 2^31, for 2^15 samples.
    let exact = Int64(samples) * Int64(products[input * inputs + other]) - Int64(sums[input]) * Int64(sums[other])
    let covariance = Float(Double(exact) / (Double(samples) * Double(samples)))
    return input == other ? covariance + Self.rounding : covariance
  }
}

/// Samples the patches of a convolution's windows from some maps, at positions that are spread over all of them.
struct PatchSampler {
  private let maps: [LayerInputs.Map]
  private let layer: LayerGeometry
  private let outside: [UInt8]
  private let kernels: KernelSet
  private let origins: [Origin]

  /// The top left element of a patch, in a map.
  private struct Origin {
    let map: Int
    let row: Int
    let column: Int
  }

  /// - Parameters:
  ///   - outside: the padding value of each channel.
  ///   - rows: the number of patches to sample, at most all.
  /// - Returns: `nil` without patches.
  init?(_ maps: [LayerInputs.Map], _ layer: LayerGeometry, outside: [UInt8], rows: Int, kernels: KernelSet) {
    let rowsPerMap = (rows + maps.count - 1) / max(maps.count, 1)
    var origins: [Origin] = []
    for (number, map) in maps.enumerated() {
      let window = layer.window.resolved(height: map.height, width: map.width)
      guard let extent = try? window.outputExtent(height: map.height, width: map.width) else { return nil }
      let positions = extent.height * extent.width
      let count = min(positions, rowsPerMap)
      for index in 0..<count {
        let position = LayerInputs.position(index, of: count, among: positions, image: number)
        origins.append(
          Origin(
            map: number, row: position / extent.width * window.strideHeight - window.top,
            column: position % extent.width * window.strideWidth - window.left))
      }
    }
    guard !origins.isEmpty else { return nil }
    (self.maps, self.layer, self.outside, self.kernels) = (maps, layer, outside, kernels)
    self.origins = origins.count > Self.maxRows ? Array(origins.prefix(Self.maxRows)) : origins
  }

  /// The number of patches whose sums fit into 32 bits.
  private static let maxRows = min(1 << 15, Int(QUERN_MOMENTS_SAMPLES))

  /// The bytes of patches in memory at once, which fit into a core's second-level cache.
  private static let blockSize = 1 << 19

  /// The number of groups whose patches are read together, so that cache lines that they share are read once.
  var groupsAtOnce: Int { max(1, min(layer.groups, 64 / layer.depth)) }

  /// The moments of each of some groups.
  ///
  /// - Parameter channels: the channels within each group; all of them where there is more than one group.
  func moments(ofGroups groups: Range<Int>, channels: Range<Int>) -> [PatchMoments] {
    let inputs = layer.taps * channels.count
    var result = groups.map { _ in PatchMoments(inputs: inputs, samples: origins.count) }
    let quadBytes = quern_moments_packed_bytes(1, inputs)
    let maxQuads = min((origins.count + 3) / 4, max(8, Self.blockSize / (quadBytes * groups.count)))
    var packed = [UInt8](repeating: 0, count: groups.count * maxQuads * quadBytes)
    packed.withUnsafeMutableBufferPointer { packed in
      guard let packed = packed.baseAddress else { return }
      for start in stride(from: 0, to: origins.count, by: 4 * maxQuads) {
        let block = origins[start..<min(start + 4 * maxQuads, origins.count)]
        let quads = (block.count + 3) / 4
        write(block, groups, channels, to: packed, quads: quads)
        for group in result.indices {
          result[group].add(packed + group * quads * quadBytes, quads: quads, kernels: kernels)
        }
      }
    }
    return result
  }

  /// Writes the patches of each group in the layout of quern_moments.h.
  private func write(
    _ origins: ArraySlice<Origin>, _ groups: Range<Int>, _ channels: Range<Int>, to packed: UnsafeMutablePointer<UInt8>,
    quads: Int
  ) {
    let first = groups.lowerBound * layer.depth + channels.lowerBound
    let groupBytes = quern_moments_packed_bytes(quads, layer.taps * channels.count)
    let zeros = [UInt8](repeating: 0, count: groups.count * channels.count)
    zeros.withUnsafeBufferPointer { zeros in
      outside.withUnsafeBufferPointer { outside in
        guard let zeros = zeros.baseAddress, let outside = outside.baseAddress else { return }
        for quad in 0..<quads {
          for tap in 0..<layer.taps {
            func sample(_ index: Int) -> UnsafePointer<UInt8>? {
              let position = origins.startIndex + 4 * quad + index
              guard position < origins.endIndex else { return zeros }
              return (pixel(tap, at: origins[position]) ?? outside) + first
            }
            withUnsafeBytes(of: (sample(0), sample(1), sample(2), sample(3))) { samples in
              quern_moments_pack(
                samples.baseAddress?.assumingMemoryBound(to: UnsafePointer<UInt8>?.self), groups.count, channels.count,
                tap * channels.count, quad, quads, packed, groupBytes)
            }
          }
        }
      }
    }
  }

  /// The channels of the pixel that a tap of a window reads; `nil` outside the map.
  @inline(__always)
  private func pixel(_ tap: Int, at origin: Origin) -> UnsafePointer<UInt8>? {
    let (map, window) = (maps[origin.map], layer.window)
    let y = origin.row + tap / window.width * window.dilationHeight
    let x = origin.column + tap % window.width * window.dilationWidth
    guard y >= 0, y < map.height, x >= 0, x < map.width else { return nil }
    return map.levels.bytes.baseAddress.map {
      ($0 + (y * map.width + x) * map.channels).assumingMemoryBound(to: UInt8.self)
    }
  }
}
