import CKernels
import Testing

@Suite struct RowlinearTests {
  /// Products are exact (24 and 7 bits), sums and the last step are rounded to binary64, the result to binary32.
  private func expected(
    _ x: [Float], _ weights: [Int8], _ scale: [Float], _ bias: [Float], rows: Int, inputs: Int, outputs: Int,
    inputStride: Int, outputStride: Int
  ) -> [Float] {
    var y = [Float](repeating: -12345, count: rows * outputStride)
    for row in 0..<rows {
      for n in 0..<outputs {
        var sum = 0.0
        for k in 0..<inputs { sum += Double(x[row * inputStride + k]) * Double(weights[n * inputs + k]) }
        y[row * outputStride + n] = Float(Double(bias[n]).addingProduct(sum, Double(scale[n])))
      }
    }
    return y
  }

  @Test(arguments: 0..<120 as Range<UInt64>)
  func randomProblems(seed: UInt64) {
    var random = Random(seed: seed)
    let rows = Int.random(in: 1...9, using: &random)
    let inputs = Int.random(in: 1...90, using: &random)
    let outputs = Int.random(in: 1...150, using: &random)
    let padded = (outputs + 15) / 16 * 16
    let inputStride = inputs + 3
    let outputStride = outputs + 5
    var input = random.floats(rows * inputStride - 3, in: -3...3)
    if seed % 4 == 0 {
      input[Int.random(in: 0..<input.count, using: &random)] = [.nan, .infinity, 1e38][Int(seed / 4) % 3]
    }
    let weights = random.weights(outputs * inputs)
    let scale = random.floats(padded, in: 0...0.1)
    let bias = random.floats(padded, in: -1...1)
    var packed = [Int8](repeating: 99, count: quern_rowlinear_packed_size(outputs, inputs))
    quern_rowlinear_pack(weights, outputs, inputs, &packed)
    let result = expected(
      input, weights, scale, bias, rows: rows, inputs: inputs, outputs: outputs, inputStride: inputStride,
      outputStride: outputStride)
    for (name, kernel) in rowlinearTiers {
      let x = GuardedBuffer(input)
      let w = GuardedBuffer(packed)
      let s = GuardedBuffer(scale)
      let b = GuardedBuffer(bias)
      let y = GuardedBuffer([Float](repeating: -12345, count: rows * outputStride))
      withExtendedLifetime((x, w, s, b)) {
        var arguments = quern_rowlinear_args()
        arguments.input = UnsafePointer(x.pointer)
        arguments.rows = rows
        arguments.inputs = inputs
        arguments.outputs = outputs
        arguments.weights = UnsafePointer(w.pointer)
        arguments.scale = UnsafePointer(s.pointer)
        arguments.bias = UnsafePointer(b.pointer)
        arguments.output = y.pointer
        arguments.input_stride = inputStride
        arguments.output_stride = outputStride
        kernel.run(&arguments)
      }
      let difference = firstDifference(y.values, result)
      #expect(difference == nil, "\(name), seed \(seed): \(rows) rows, \(inputs) inputs, \(outputs) outputs")
    }
  }
}
