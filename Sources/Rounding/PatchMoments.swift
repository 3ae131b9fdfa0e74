/// First and second moments of the patches that a convolution's windows see of some maps, in steps from the zero point.
struct PatchMoments {
  /// E[x x^T], [inputs][inputs], lower triangle; inputs are taps x channels.
  var second: [Float]
  /// E[x].
  private(set) var first: [Float]

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
    let weight = 1 / Float(taken.reduce(0, +))
    guard weight.isFinite else { return nil }
    second = [Float](repeating: 0, count: inputs * inputs)
    first = [Float](repeating: 0, count: inputs)
    var patches: [Float] = []
    patches.reserveCapacity((Self.block + rowsPerMap) * inputs)
    for (number, map) in maps.enumerated() {
      let positions = extents[number].height * extents[number].width
      for index in 0..<taken[number] {
        let position = LayerInputs.position(index, of: taken[number], among: positions, image: number)
        let (y, x) = (position / extents[number].width, position % extents[number].width)
        Self.append(map, layer, channels, y: y, x: x, zeroPoint, outside, to: &patches)
      }
      if patches.count >= Self.block * inputs || number == maps.count - 1 {
        add(patches, inputs, weight)
        patches.removeAll(keepingCapacity: true)
      }
    }
  }

  /// Patches that are added to the moments at once: enough for the matrix product to be fast.
  private static let block = 512

  private mutating func add(_ patches: [Float], _ inputs: Int, _ weight: Float) {
    let rows = patches.count / inputs
    BLAS.addMoments(of: patches, rows: rows, columns: inputs, weight: weight, to: &second)
    for row in 0..<rows {
      for input in 0..<inputs { first[input] += weight * patches[row * inputs + input] }
    }
  }

  private static func append(
    _ map: LayerInputs.Map, _ layer: LayerGeometry, _ channels: Range<Int>, y: Int, x: Int, _ zeroPoint: Float,
    _ outside: [Float], to patches: inout [Float]
  ) {
    let window = layer.window
    for ky in 0..<window.height {
      let row = y * window.strideHeight - window.top + ky * window.dilationHeight
      for kx in 0..<window.width {
        let column = x * window.strideWidth - window.left + kx * window.dilationWidth
        guard row >= 0, row < map.height, column >= 0, column < map.width else {
          for channel in channels { patches.append(outside[channel]) }
          continue
        }
        let pixel = (row * map.width + column) * map.channels
        for channel in channels { patches.append(Float(map.levels[pixel + channel]) - zeroPoint) }
      }
    }
  }
}
