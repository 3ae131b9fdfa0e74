/// Mean and covariance of the patches that a convolution's windows see of some maps, in steps from the zero point.
struct PatchMoments {
  /// E[(x - E[x]) (x - E[x])^T], [inputs][inputs], lower triangle; inputs are taps x channels. The bias makes up for what
  /// weights change of the mean, so that it need not cost anything.
  var covariance: [Float]
  /// E[x].
  private(set) var mean: [Float]
  /// Patches that were taken.
  let samples: Int

  /// - Parameters:
  ///   - channels: of the maps, which the patches are made of.
  ///   - outside: what windows read beyond the map, for each channel, in steps from the zero point.
  ///   - rows: patches to take, at most all.
  init?(
    _ maps: [LayerInputs.Map], _ layer: LayerGeometry, channels: Range<Int>, zeroPoint: Float, outside: [Float],
    rows: Int
  ) {
    let inputs = layer.taps * channels.count
    let rowsPerMap = (rows + maps.count - 1) / max(maps.count, 1)
    var extents: [(height: Int, width: Int)] = []
    for map in maps {
      guard let extent = try? layer.window.outputExtent(height: map.height, width: map.width) else { return nil }
      extents.append(extent)
    }
    let taken = extents.map { min($0.height * $0.width, rowsPerMap) }
    samples = taken.reduce(0, +)
    guard samples > 0 else { return nil }
    covariance = [Float](repeating: 0, count: inputs * inputs)
    mean = [Float](repeating: 0, count: inputs)
    var patches = [Float](repeating: 0, count: Self.block * inputs)
    var count = 0
    for (number, map) in maps.enumerated() {
      let positions = extents[number].height * extents[number].width
      for index in 0..<taken[number] {
        let position = LayerInputs.position(index, of: taken[number], among: positions, image: number)
        let (y, x) = (position / extents[number].width, position % extents[number].width)
        Self.write(map, layer, channels, y: y, x: x, zeroPoint, outside, to: &patches, at: count * inputs)
        count += 1
        if count == Self.block {
          add(patches, rows: count)
          count = 0
        }
      }
    }
    add(patches, rows: count)
    center()
  }

  /// Patches that are added to the moments at once: enough for the matrix product to be fast.
  private static let block = 512

  /// The variance of what rounding adds to each input, in steps: even one that was never seen to change is not certain.
  private static let rounding: Float = 1 / 12

  private mutating func add(_ patches: [Float], rows: Int) {
    let weight = 1 / Float(samples)
    let inputs = mean.count
    BLAS.addMoments(of: patches, rows: rows, columns: inputs, weight: weight, to: &covariance)
    mean.withUnsafeMutableBufferPointer { mean in
      for row in 0..<rows {
        for input in 0..<inputs { mean[input] += weight * patches[row * inputs + input] }
      }
    }
  }

  private mutating func center() {
    let inputs = mean.count
    for row in 0..<inputs {
      for column in 0...row { covariance[row * inputs + column] -= mean[row] * mean[column] }
      covariance[row * inputs + row] = max(covariance[row * inputs + row], 0) + Self.rounding
    }
  }

  private static func write(
    _ map: LayerInputs.Map, _ layer: LayerGeometry, _ channels: Range<Int>, y: Int, x: Int, _ zeroPoint: Float,
    _ outside: [Float], to patches: inout [Float], at start: Int
  ) {
    let window = layer.window
    var place = start
    for ky in 0..<window.height {
      let row = y * window.strideHeight - window.top + ky * window.dilationHeight
      for kx in 0..<window.width {
        let column = x * window.strideWidth - window.left + kx * window.dilationWidth
        if row >= 0, row < map.height, column >= 0, column < map.width {
          let pixel = (row * map.width + column) * map.channels + channels.lowerBound
          for channel in 0..<channels.count {
            patches[place + channel] = Float(map.levels[pixel + channel]) - zeroPoint
          }
        } else {
          for (offset, channel) in channels.enumerated() { patches[place + offset] = outside[channel] }
        }
        place += channels.count
      }
    }
  }
}
