import CKernels
import Graphs
import Kernels
import Tensors

/// A function of quantised values as a table of its results (formats/package.md, "Nonlinearities").
struct LevelTable: @unchecked Sendable {
  private let kernel: quern_lookup_kernel
  /// Whether inputs have remainders. The entry of a value is `256 level + remainder byte` then, and otherwise `level`.
  private let isFine: Bool
  private let output: ValueFormat
  private let reals: [Float]
  private let levels: [UInt8]
  /// Empty where the output has no remainders.
  private let remainders: [UInt8]

  /// - Parameters:
  ///   - from: The input's format; not float32.
  ///   - to: The output's format.
  init(_ function: ActivationFunction, from: ValueFormat, to: ValueFormat, kernels: KernelSet) {
    kernel = kernels.lookup
    isFine = !from.isPlainUInt8
    output = to
    let rows = isFine ? 256 : 1
    let (shape, count): (Shape, Int) = ([1, 1, rows, 256], rows * 256)
    // In a table with remainders, each row has all remainders of one level.
    let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
    let input = isFine ? (0..<count).map { UInt8($0 / 256) } + bytes : bytes
    var arguments = [Float](repeating: 0, count: count)
    PlaneConversion(from: from, to: .float32, kernel: kernels.elementwise).convert(
      input, to: &arguments, shape: shape, pixels: 0..<rows)
    var values = arguments
    function.apply(arguments, count, to: &values)
    var planes = [UInt8](repeating: 0, count: to == .float32 ? 0 : to.byteCount(elementCount: count))
    if to != .float32 {
      PlaneConversion(from: .float32, to: to, kernel: kernels.elementwise).convert(
        values, to: &planes, shape: shape, pixels: 0..<rows)
    }
    reals = to == .float32 ? values : []
    levels = Array(planes.prefix(count))
    remainders = Array(planes.dropFirst(count))
  }

  /// Looks up some elements of a map.
  ///
  /// - Parameter planeSize: The number of elements of the whole map, which is the distance from levels to their
  ///   remainders.
  func convert(
    _ input: UnsafePointer<UInt8>, planeSize: Int, _ elements: Range<Int>, to target: UnsafeMutableRawPointer
  ) {
    if output == .float32 {
      return lookUp(input, planeSize, elements, in: reals, to: target.assumingMemoryBound(to: Float.self))
    }
    let target = target.assumingMemoryBound(to: UInt8.self)
    lookUp(input, planeSize, elements, in: levels, to: target)
    if !remainders.isEmpty { lookUp(input, planeSize, elements, in: remainders, to: target + planeSize) }
  }

  private func lookUp(
    _ input: UnsafePointer<UInt8>, _ planeSize: Int, _ elements: Range<Int>, in table: [UInt8],
    to target: UnsafeMutablePointer<UInt8>
  ) {
    guard isFine else {
      let first = elements.lowerBound
      return kernel.run(table, input + first, rows: 1, count: elements.count, to: target + first)
    }
    let inputRemainders = input + planeSize
    table.withUnsafeBufferPointer { table in
      for index in elements { target[index] = table[Int(input[index]) << 8 | Int(inputRemainders[index])] }
    }
  }

  private func lookUp(
    _ input: UnsafePointer<UInt8>, _ planeSize: Int, _ elements: Range<Int>, in table: [Float],
    to target: UnsafeMutablePointer<Float>
  ) {
    let inputRemainders = input + planeSize
    table.withUnsafeBufferPointer { table in
      if isFine {
        for index in elements { target[index] = table[Int(input[index]) << 8 | Int(inputRemainders[index])] }
      } else {
        for index in elements { target[index] = table[Int(input[index])] }
      }
    }
  }
}

extension quern_lookup_kernel {
  /// Looks up `rows` rows of `count` bytes in a table of 256.
  ///
  /// - Parameters:
  ///   - inputStride: The number of bytes from one row of the input to the next.
  ///   - outputStride: The number of bytes from one row of the output to the next.
  func run(
    _ table: [UInt8], _ input: UnsafePointer<UInt8>, inputStride: Int = 0, rows: Int, count: Int,
    to output: UnsafeMutablePointer<UInt8>, outputStride: Int = 0
  ) {
    table.withUnsafeBufferPointer { table in
      var arguments = quern_lookup_args()
      arguments.table = table.baseAddress
      (arguments.input, arguments.input_stride) = (input, inputStride)
      (arguments.output, arguments.output_stride) = (output, outputStride)
      (arguments.rows, arguments.row_bytes) = (rows, count)
      run(&arguments)
    }
  }
}
