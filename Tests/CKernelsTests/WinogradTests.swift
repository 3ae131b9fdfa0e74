import CKernels
import Testing

/// Tiles of some images, of which a kernel gets a part.
private struct WinogradProblem: CustomStringConvertible {
  let seed: Int
  let images: Int, tileRows: Int, tileColumns: Int, firstTile: Int, tiles: Int, channels: Int
  var random: Random

  init(seed: Int) {
    self.seed = seed
    random = Random(seed: UInt64(seed))
    images = Int.random(in: 1...2, using: &random)
    tileRows = Int.random(in: 1...4, using: &random)
    tileColumns = Int.random(in: 1...5, using: &random)
    firstTile = Int.random(in: 0..<images * tileRows * tileColumns, using: &random)
    tiles = Int.random(in: 1...images * tileRows * tileColumns - firstTile, using: &random)
    channels = Int.random(in: 1...70, using: &random)
  }

  var description: String {
    "seed \(seed): tiles \(firstTile)..<\(firstTile + tiles) of \(images) x \(tileRows) x \(tileColumns), "
      + "\(channels) channels"
  }

  /// The image and the first output's row and column of a tile of the part.
  func place(_ tile: Int) -> (image: Int, row: Int, column: Int) {
    let index = firstTile + tile
    return (
      index / (tileRows * tileColumns), index / tileColumns % tileRows * 2, index % tileColumns * 2
    )
  }

  /// Values of which some are special.
  mutating func floats(_ count: Int) -> [Float] {
    var values = random.floats(count, in: -2...2)
    let specials: [Float] = [.nan, .infinity, -.infinity, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude]
    if seed % 3 == 0 {
      for special in specials { values[Int.random(in: 0..<count, using: &random)] = special }
    }
    return values
  }
}

/// Four values, transformed as the header says.
private func transformedInput(_ d: [Float]) -> [Float] { [d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]] }
private func transformedOutput(_ m: [Float]) -> [Float] { [(m[0] + m[1]) + m[2], (m[1] - m[2]) - m[3]] }

/// Columns first, then rows.
private func transformedInput(tile d: [Float]) -> [Float] {
  let columns = (0..<4).map { x in transformedInput((0..<4).map { d[4 * $0 + x] }) }
  return (0..<4).flatMap { i in transformedInput((0..<4).map { columns[$0][i] }) }
}

/// Rows first, then columns.
private func transformedOutput(tile m: [Float]) -> [Float] {
  let rows = (0..<4).map { i in transformedOutput(Array(m[4 * i..<4 * i + 4])) }
  let columns = (0..<2).map { x in transformedOutput((0..<4).map { rows[$0][x] }) }
  return (0..<4).map { columns[$0 % 2][$0 / 2] }
}

@Suite struct WinogradTests {
  @Test(arguments: 0..<100)
  func inputIsTransformedAsDefined(seed: Int) {
    var problem = WinogradProblem(seed: seed)
    let (height, width) = (
      Int.random(in: 1...9, using: &problem.random), Int.random(in: 1...9, using: &problem.random)
    )
    let (top, left) = (Int.random(in: -2...2, using: &problem.random), Int.random(in: -2...2, using: &problem.random))
    let channels = problem.channels
    let stride = problem.tiles * channels + Int.random(in: 0...20, using: &problem.random)
    let input = problem.floats(problem.images * height * width * channels)
    var expected = [Float](repeating: -12345, count: 15 * stride + problem.tiles * channels)
    for tile in 0..<problem.tiles {
      let place = problem.place(tile)
      for c in 0..<channels {
        let pixels = (0..<16).map { index -> Float in
          let (y, x) = (place.row + index / 4 - top, place.column + index % 4 - left)
          guard 0..<height ~= y, 0..<width ~= x else { return 0 }
          return input[((place.image * height + y) * width + x) * channels + c]
        }
        for (frequency, value) in transformedInput(tile: pixels).enumerated() {
          expected[frequency * stride + tile * channels + c] = value
        }
      }
    }
    for (name, kernel) in winogradTiers {
      let (x, zeros) = (GuardedBuffer(input), GuardedBuffer([Float](repeating: 0, count: channels)))
      let output = GuardedBuffer([Float](repeating: -12345, count: expected.count))
      var arguments = quern_winograd_input_args()
      (arguments.input, arguments.zeros) = (UnsafePointer(x.pointer), UnsafePointer(zeros.pointer))
      (arguments.height, arguments.width, arguments.channels) = (height, width, channels)
      (arguments.top, arguments.left) = (top, left)
      (arguments.tile_rows, arguments.tile_columns) = (problem.tileRows, problem.tileColumns)
      (arguments.first_tile, arguments.tiles) = (problem.firstTile, problem.tiles)
      (arguments.transformed, arguments.frequency_stride) = (output.pointer, stride)
      withExtendedLifetime((x, zeros)) { kernel.input(&arguments) }
      let difference = firstDifference(output.values, expected)
      #expect(difference == nil, "\(name), \(problem)")
    }
  }

  @Test(arguments: 0..<100)
  func productsAreTransformedBackAsDefined(seed: Int) {
    var problem = WinogradProblem(seed: seed)
    // Of an odd extent the last tiles reach past the end.
    let height = 2 * problem.tileRows - Int.random(in: 0...1, using: &problem.random)
    let width = 2 * problem.tileColumns - Int.random(in: 0...1, using: &problem.random)
    let residualHeight = height + Int.random(in: 0...2, using: &problem.random)
    let residualWidth = width + Int.random(in: 0...2, using: &problem.random)
    let (channels, clamp) = (problem.channels, Clamp(using: &problem.random))
    let stride = problem.tiles * channels + Int.random(in: 0...20, using: &problem.random)
    let (outputStride, residualStride) = (channels + 5, channels + 3)
    let products = problem.floats(15 * stride + problem.tiles * channels)
    let residual =
      seed % 2 == 0 ? problem.floats(problem.images * residualHeight * residualWidth * residualStride - 3) : nil
    var expected = [Float](repeating: -12345, count: problem.images * height * width * outputStride - 5)
    for tile in 0..<problem.tiles {
      let place = problem.place(tile)
      for c in 0..<channels {
        let sums = transformedOutput(tile: (0..<16).map { products[$0 * stride + tile * channels + c] })
        for (index, sum) in sums.enumerated() {
          let (y, x) = (place.row + index / 2, place.column + index % 2)
          guard y < height, x < width else { continue }
          let pixel = (place.image * residualHeight + y) * residualWidth + x
          let value = residual.map { sum + $0[pixel * residualStride + c] } ?? sum
          expected[((place.image * height + y) * width + x) * outputStride + c] = clamp(value)
        }
      }
    }
    for (name, kernel) in winogradTiers {
      let (m, other) = (GuardedBuffer(products), GuardedBuffer(residual ?? []))
      let output = GuardedBuffer([Float](repeating: -12345, count: expected.count))
      var arguments = quern_winograd_output_args()
      (arguments.products, arguments.frequency_stride) = (UnsafePointer(m.pointer), stride)
      arguments.channels = channels
      (arguments.tile_rows, arguments.tile_columns) = (problem.tileRows, problem.tileColumns)
      (arguments.first_tile, arguments.tiles) = (problem.firstTile, problem.tiles)
      (arguments.height, arguments.width) = (height, width)
      arguments.residual = residual == nil ? nil : UnsafePointer(other.pointer)
      (arguments.residual_height, arguments.residual_width) = (residualHeight, residualWidth)
      (arguments.residual_stride, arguments.clamp) = (residualStride, clamp.value)
      (arguments.output, arguments.output_stride) = (output.pointer, outputStride)
      withExtendedLifetime((m, other)) { kernel.output(&arguments) }
      let difference = firstDifference(output.values, expected)
      #expect(difference == nil, "\(name), \(problem)")
    }
  }

  /// Each frequency's matrix is that of `quern_fgemm_pack`, of weights transformed in double and rounded once.
  @Test(arguments: [(1, 1), (16, 16), (18, 5), (33, 17), (40, 32)])
  func weightsArePackedAsDefined(outputs: Int, inputs: Int) {
    var random = Random(seed: UInt64(outputs * 1000 + inputs))
    let weights = random.floats(outputs * 9 * inputs, in: -1...1)
    func transformed(_ g: [Double]) -> [Double] {
      [g[0], ((g[0] + g[2]) + g[1]) / 2, ((g[0] + g[2]) - g[1]) / 2, g[2]]
    }
    var expected: [Float] = []
    for frequency in 0..<16 {
      var matrix: [Float] = []
      for n in 0..<outputs {
        for k in 0..<inputs {
          let columns = (0..<3).map { x in
            transformed((0..<3).map { Double(weights[(n * 9 + 3 * $0 + x) * inputs + k]) })
          }
          matrix.append(Float(transformed(columns.map { $0[frequency / 4] })[frequency % 4]))
        }
      }
      var packed = [Float](repeating: 99, count: quern_fgemm_packed_count(outputs, 1, inputs))
      quern_fgemm_pack(matrix, outputs, 1, inputs, &packed)
      expected += packed
    }
    var packed = [Float](repeating: 99, count: quern_winograd_packed_count(outputs, inputs))
    quern_winograd_pack(weights, outputs, inputs, &packed)
    #expect(packed == expected)
  }
}
