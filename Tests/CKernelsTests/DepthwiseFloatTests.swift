import CKernels
import Testing

/// Every tier of the depthwise float kernels against a reference written from the header.
@Suite struct DepthwiseFloatTests {
  /// What the kernels are given, and what they must give.
  struct Problem {
    var channels: Int
    var taps: Int
    var offsets: [Int32]
    /// Outputs in a line, taps in a line of the kernel and columns between neighbours, where they share columns.
    var line = 0
    var kernelWidth = 0
    var step = 0
    let clamp: Clamp
    var rows: Int { offsets.count / taps }

    func check(using random: inout Random) {
      let stride = channels + 3
      let reach = Int(offsets.max() ?? 0).advanced(by: channels)
      let input = random.floats(max(reach, channels), in: -2...2)
      let weights = random.floats(taps * channels, in: -1...1)
      // A tap outside the map is none: it would make a bias of -0 one of 0.
      let bias = random.floats(channels, in: -1...1).map { abs($0) < 0.1 ? -0.0 : $0 }
      var expected = [Float](repeating: -12345, count: rows * stride)
      for row in 0..<rows {
        for c in 0..<channels {
          var sum = bias[c]
          for t in 0..<taps where offsets[row * taps + t] >= 0 {
            sum.addProduct(input[Int(offsets[row * taps + t]) + c], weights[t * channels + c])
          }
          expected[row * stride + c] = clamp(sum)
        }
      }
      for (name, kernel) in depthwiseFloatTiers {
        let (x, o, w) = (GuardedBuffer(input), GuardedBuffer(offsets), GuardedBuffer(weights))
        let (b, y) = (GuardedBuffer(bias), GuardedBuffer([Float](repeating: -12345, count: rows * stride)))
        var arguments = quern_depthwise_f32_args()
        (arguments.input, arguments.offsets) = (UnsafePointer(x.pointer), UnsafePointer(o.pointer))
        (arguments.rows, arguments.taps, arguments.channels) = (rows, taps, channels)
        (arguments.line, arguments.kernel_width, arguments.step) = (line, kernelWidth, step)
        (arguments.weights, arguments.bias) = (UnsafePointer(w.pointer), UnsafePointer(b.pointer))
        (arguments.clamp, arguments.output, arguments.output_stride) = (clamp.value, y.pointer, stride)
        withExtendedLifetime((x, o, w, b)) { kernel.run(&arguments) }
        #expect(
          firstDifference(y.values, expected) == nil,
          "\(name), \(channels) channels, \(taps) taps, lines of \(line), step \(step)")
      }
    }
  }

  @Test(arguments: [1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 47, 48, 63, 64, 65, 130])
  func anyTaps(channels: Int) {
    var random = Random(seed: UInt64(channels))
    for taps in [1, 4, 9, 25, 49] {
      let offsets = (0..<5 * taps).map { _ in
        Int.random(in: 0..<3, using: &random) == 0 ? -1 : Int32.random(in: 0...60, using: &random)
      }
      for clamp in [Clamp.none, Clamp.relu, Clamp(using: &random)] {
        Problem(channels: channels, taps: taps, offsets: offsets, clamp: clamp).check(using: &random)
      }
    }
  }

  /// Lines of outputs that share columns, with padding on all sides, more of it than the kernel is wide too.
  @Test(arguments: [1, 3, 4, 6, 7, 8, 11, 13, 14, 21], [1, 2, 3])
  func linesOfAMap(line: Int, step: Int) {
    var random = Random(seed: UInt64(line * 4 + step))
    for kernelWidth in [1, 2, 3, 5, 7] {
      let channels = [1, 11, 16, 22, 32, 44, 65].randomElement(using: &random) ?? 1
      let (kernelHeight, outputHeight) = (Int.random(in: 1...4, using: &random), 3)
      let (left, top) = (Int.random(in: -1...kernelWidth + 1, using: &random), Int.random(in: 0...2, using: &random))
      let (mapHeight, mapWidth) = (3, max(1, (line - 1) * step + 1 - Int.random(in: 0...3, using: &random)))
      var offsets: [Int32] = []
      for y in 0..<outputHeight {
        for x in 0..<line {
          for ky in 0..<kernelHeight {
            for kx in 0..<kernelWidth {
              let (row, column) = (y + ky - top, x * step + kx - left)
              let isInside = 0..<mapHeight ~= row && 0..<mapWidth ~= column
              offsets.append(isInside ? Int32((row * mapWidth + column) * channels) : -1)
            }
          }
        }
      }
      Problem(
        channels: channels, taps: kernelHeight * kernelWidth, offsets: offsets, line: line, kernelWidth: kernelWidth,
        step: step, clamp: Clamp(using: &random)
      ).check(using: &random)
    }
  }
}
