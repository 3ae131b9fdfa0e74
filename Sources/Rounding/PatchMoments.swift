/// Mean and covariance of the patches that a group of a convolution sees of some maps, in steps from the zero point.
struct PatchMoments {
  /// E[(x - E[x]) (x - E[x])^T], [inputs][inputs], lower triangle; inputs are taps x channels. The bias makes up for what
  /// weights change of the mean, so that it need not cost anything.
  var covariance: [Float]
  /// E[x].
  private(set) var mean: [Float]
  /// Patches that were taken.
  let samples: Int

  /// The variance of what rounding adds to each input, in steps: even one that was never seen to change is not certain.
  static let rounding: Float = 1 / 12

  fileprivate init(inputs: Int, samples: Int) {
    covariance = [Float](repeating: 0, count: inputs * inputs)
    mean = [Float](repeating: 0, count: inputs)
    self.samples = samples
  }

  /// - Parameter patches: [rows][inputs].
  fileprivate mutating func add(_ patches: UnsafePointer<Float>, rows: Int) {
    let weight = 1 / Float(samples)
    let inputs = mean.count
    BLAS.addMoments(of: patches, rows: rows, columns: inputs, weight: weight, to: &covariance)
    mean.withUnsafeMutableBufferPointer { mean in
      guard let sums = mean.baseAddress else { return }
      var row = patches
      for _ in 0..<rows {
        for input in 0..<inputs { sums[input] += weight * row[input] }
        row += inputs
      }
    }
  }

  fileprivate mutating func center() {
    let inputs = mean.count
    for row in 0..<inputs {
      for column in 0...row { covariance[row * inputs + column] -= mean[row] * mean[column] }
      covariance[row * inputs + row] = max(covariance[row * inputs + row], 0) + Self.rounding
    }
  }
}

/// Takes the patches of a convolution's windows from some maps, at positions that are spread over all of them.
struct PatchSampler {
  private let maps: [LayerInputs.Map]
  private let layer: LayerGeometry
  private let zeroPoint: Float
  private let outside: [Float]
  private let places: [Place]

  /// The top left element of a patch, in a map.
  private struct Place {
    let map: Int
    let row: Int
    let column: Int
  }

  /// - Parameters:
  ///   - outside: what windows read beyond the map, for each channel, in steps from the zero point.
  ///   - rows: patches to take, at most all.
  /// - Returns: `nil` without patches.
  init?(_ maps: [LayerInputs.Map], _ layer: LayerGeometry, zeroPoint: Float, outside: [Float], rows: Int) {
    let window = layer.window
    let rowsPerMap = (rows + maps.count - 1) / max(maps.count, 1)
    var places: [Place] = []
    for (number, map) in maps.enumerated() {
      guard let extent = try? window.outputExtent(height: map.height, width: map.width) else { return nil }
      let positions = extent.height * extent.width
      let taken = min(positions, rowsPerMap)
      for index in 0..<taken {
        let position = LayerInputs.position(index, of: taken, among: positions, image: number)
        places.append(
          Place(
            map: number, row: position / extent.width * window.strideHeight - window.top,
            column: position % extent.width * window.strideWidth - window.left))
      }
    }
    guard !places.isEmpty else { return nil }
    (self.maps, self.layer, self.zeroPoint, self.outside, self.places) = (maps, layer, zeroPoint, outside, places)
  }

  /// Floats of patches that are in memory at once: what a core's second-level cache holds.
  private static let blockSize = 1 << 18

  /// Groups whose patches are taken together, so that the lines of the maps that they share are read once.
  var groupsAtOnce: Int { max(1, min(layer.groups, 64 / layer.depth)) }

  /// The moments of each of some groups.
  ///
  /// - Parameter channels: of each group; all of them where there is more than one group.
  func moments(ofGroups groups: Range<Int>, channels: Range<Int>) -> [PatchMoments] {
    let inputs = layer.taps * channels.count
    var result = groups.map { _ in PatchMoments(inputs: inputs, samples: places.count) }
    let rows = min(places.count, max(32, Self.blockSize / (inputs * groups.count)))
    var patches = [Float](repeating: 0, count: groups.count * rows * inputs)
    var start = 0
    while start < places.count {
      let count = min(rows, places.count - start)
      patches.withUnsafeMutableBufferPointer { patches in
        guard let patches = patches.baseAddress else { return }
        write(places[start..<start + count], groups, channels, to: patches, rows: count)
        for group in result.indices {
          result[group].add(patches + group * count * inputs, rows: count)
        }
      }
      start += count
    }
    for index in result.indices { result[index].center() }
    return result
  }

  /// Writes patches as [groups][rows][taps][channels].
  private func write(
    _ places: ArraySlice<Place>, _ groups: Range<Int>, _ channels: Range<Int>, to patches: UnsafeMutablePointer<Float>,
    rows: Int
  ) {
    let first = groups.lowerBound * layer.depth + channels.lowerBound
    let window = layer.window
    // Between what a group reads and what the next does, in the map and in the patches.
    let (sourceStep, targetStep) = (layer.depth, rows * layer.taps * channels.count)
    outside.withUnsafeBufferPointer { outside in
      guard let outside = outside.baseAddress else { return }
      var target = patches
      for place in places {
        let map = maps[place.map]
        map.levels.withUnsafeBufferPointer { levels in
          guard let levels = levels.baseAddress else { return }
          for tap in 0..<layer.taps {
            let y = place.row + tap / window.width * window.dilationHeight
            let x = place.column + tap % window.width * window.dilationWidth
            if y >= 0 && y < map.height && x >= 0 && x < map.width {
              let pixel = levels + (y * map.width + x) * map.channels + first
              copy(groups.count, channels.count, sourceStep, targetStep, to: target) { Float(pixel[$0]) - zeroPoint }
            } else {
              let values = outside + first
              copy(groups.count, channels.count, sourceStep, targetStep, to: target) { values[$0] }
            }
            target += channels.count
          }
        }
      }
    }
  }

  /// The innermost loops, in the form in which they become SIMD instructions.
  @inline(__always)
  private func copy(
    _ groups: Int, _ width: Int, _ sourceStep: Int, _ targetStep: Int, to target: UnsafeMutablePointer<Float>,
    _ value: (Int) -> Float
  ) {
    if groups == 1 {
      for channel in 0..<width { target[channel] = value(channel) }
      return
    }
    var (source, target) = (0, target)
    for _ in 0..<groups {
      for channel in 0..<width { target[channel] = value(source &+ channel) }
      source &+= sourceStep
      target += targetStep
    }
  }
}
