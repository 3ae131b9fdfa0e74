import Graphs
import Operators
import Tensors
import Testing

/// Layer normalisation, PReLU, products, and functions with parameters, as no converter writes them.
@Suite struct HostileScalingTests {
  private static let four = Tensor([1, 2, 3, 4] as [Float])
  private static let uint8 = HostileTests.uint8

  private func run(
    _ kind: String, _ attributes: Attributes = [:], _ inputs: [ValueFormat] = [.float32],
    output: ValueFormat = .float32, constants: [String: Tensor] = [:], shape: Shape = [1, 4, 4, 4]
  ) throws {
    try HostileTests.run(kind, attributes, inputs, output: output, constants: constants, shape: shape)
  }

  private func refuses(
    _ kind: String, _ attributes: Attributes = [:], _ inputs: [ValueFormat] = [.float32],
    output: ValueFormat = .float32, constants: [String: Tensor] = [:], shape: Shape = [1, 4, 4, 4],
    location: SourceLocation = #_sourceLocation
  ) {
    #expect(throws: GraphError.self, sourceLocation: location) {
      try run(kind, attributes, inputs, output: output, constants: constants, shape: shape)
    }
  }

  @Test func layerNormalisations() throws {
    let kind = LayerNormalization.wireName
    let fine: Attributes = ["epsilon": .float(1e-6)]
    let constants = ["weight": Self.four, "bias": Self.four]
    try run(kind, fine, constants: constants)
    try run(kind, fine, [Self.uint8], output: Self.uint8, constants: constants)
    try run(kind, fine, [Self.uint8], constants: constants)
    for epsilon in [-1, .nan, .infinity, -.infinity] as [Double] {
      refuses(kind, ["epsilon": .float(epsilon)], constants: constants)
    }
    refuses(kind, [:], constants: constants)
    refuses(kind, ["epsilon": .int(0)], constants: constants)
    refuses(kind, ["epsilon": .float(1e-6), "input_remainder": .int(2)], constants: constants)
    refuses(kind, ["epsilon": .float(1e-6), "axis": .int(1)], constants: constants)
    // Remainders that the input does not have.
    refuses(
      kind, ["epsilon": .float(1e-6), "input_remainder": .int(1)], [Self.uint8], output: Self.uint8,
      constants: constants)
    refuses(kind, ["epsilon": .float(1e-6), "input_remainder": .int(1)], constants: constants)
    // Levels of a float input.
    refuses(kind, fine, output: Self.uint8, constants: constants)
    for role in ["weight", "bias"] {
      for wrong in [
        nil, Tensor([1, 2] as [Float]), Tensor([Float]()), Self.four.reshaped([4, 1]), Self.four.reshaped([1, 4]),
        Tensor([1, 2, 3, 4] as [Int32]), Tensor([1, 2, 3, .nan] as [Float]), Tensor([1, 2, 3, .infinity] as [Float]),
      ] {
        var damaged = constants
        damaged[role] = wrong
        refuses(kind, fine, constants: damaged)
        refuses(kind, fine, [Self.uint8], output: Self.uint8, constants: damaged)
      }
    }
    refuses(kind, fine, constants: constants.merging(["mean": Self.four]) { $1 })
    let tiny = ValueFormat.uint8(QuantizationParameters(scale: 1e-38, zeroPoint: 0))
    refuses(
      kind, fine, [Self.uint8], output: tiny,
      constants: ["weight": Tensor([1, 2, 3, 3e38] as [Float]), "bias": Self.four])
    // Sums that would not fit 64 bits.
    let many = Tensor([Float](repeating: 1, count: 32769))
    refuses(kind, fine, constants: ["weight": many, "bias": many], shape: [1, 1, 1, 32769])
    let most = Tensor([Float](repeating: 1, count: 32768))
    try run(kind, fine, constants: ["weight": most, "bias": most], shape: [1, 1, 1, 32768])
  }

  @Test func parametricReLUs() throws {
    let kind = PReLU.wireName
    try run(kind, constants: ["slope": Self.four])
    try run(kind, [:], [Self.uint8], output: Self.uint8, constants: ["slope": Self.four])
    refuses(kind, ["slope": .float(0.1)], constants: ["slope": Self.four])
    refuses(kind, output: Self.uint8, constants: ["slope": Self.four])
    refuses(kind, [:], [Self.uint8], constants: ["slope": Self.four])
    for wrong in [
      nil, Tensor([1] as [Float]), Tensor([Float]()), Self.four.reshaped([4, 1]), Tensor([1, 2, 3, 4] as [Int8]),
      Tensor([1, 2, 3, .nan] as [Float]), Tensor([1, 2, 3, -.infinity] as [Float]),
    ] {
      refuses(kind, constants: wrong.map { ["slope": $0] } ?? [:])
      refuses(kind, [:], [Self.uint8], output: Self.uint8, constants: wrong.map { ["slope": $0] } ?? [:])
    }
    refuses(kind, constants: ["slope": Self.four, "bias": Self.four])
    let small = ValueFormat.uint8(QuantizationParameters(scale: 1e-3, zeroPoint: 0))
    refuses(kind, [:], [Self.uint8], output: small, constants: ["slope": Tensor([1, 2, 3, 3e38] as [Float])])
    let tiny = ValueFormat.uint8(QuantizationParameters(scale: 1e-38, zeroPoint: 0))
    let huge = ValueFormat.uint8(QuantizationParameters(scale: 1e38, zeroPoint: 0))
    refuses(kind, [:], [huge], output: tiny, constants: ["slope": Self.four])
  }

  @Test func products() throws {
    let kind = Multiplication.wireName
    try run(kind, [:], [.float32, .float32])
    try run(kind, [:], [Self.uint8, Self.uint8], output: Self.uint8)
    refuses(kind)
    refuses(kind, ["activation": .string("none")], [.float32, .float32])
    refuses(kind, [:], [.float32, .float32, .float32])
    refuses(kind, [:], [.float32, Self.uint8])
    refuses(kind, [:], [Self.uint8, Self.uint8])
    refuses(kind, [:], [.float32, .float32], output: Self.uint8)
    refuses(kind, [:], [.float32, .float32], constants: ["weight": Self.four])
    let huge = ValueFormat.uint8(QuantizationParameters(scale: 1e30, zeroPoint: 0))
    refuses(kind, [:], [huge, huge], output: Self.uint8)
    refuses(kind, [:], [.float32, .float32], output: .uint8WithRemainder(.init(scale: 1, zeroPoint: 0)))
    let op = Multiplication()
    #expect(try op.outputShape(inputs: [[2, 5, 6, 8], [2, 7, 4, 1]], constants: [:]) == [2, 5, 4, 8])
    for (a, b) in [
      ([2, 5, 6, 8], [2, 5, 6, 4]), ([2, 5, 6, 8], [1, 5, 6, 8]), ([2, 5, 6, 1], [2, 5, 6, 8]), ([2, 8], [2, 1]),
      ([2, 8], [2, 5, 6, 8]), ([2, 5, 6, 8], [2, 8]), ([8], [8, 1]),
    ] as [(Shape, Shape)] {
      #expect(throws: GraphError.self, "\(a), \(b)") { try op.outputShape(inputs: [a, b], constants: [:]) }
    }
  }

  /// The parameters of functions, and the functions that an operator does not apply.
  @Test func functionsWithParameters() {
    let kind = Nonlinearity.wireName
    refuses(kind, ["function": .string("leaky_relu")])
    for slope in [0, .nan, .infinity] as [Double] {
      refuses(kind, ["function": .string("leaky_relu"), "slope": .float(slope)])
    }
    refuses(kind, ["function": .string("leaky_relu"), "slope": .float(0.1), "alpha": .float(1)])
    refuses(kind, ["function": .string("elu")])
    for alpha in [0, -1, .nan, .infinity] as [Double] {
      refuses(kind, ["function": .string("elu"), "alpha": .float(alpha)])
    }
    refuses(kind, ["function": .string("gelu"), "slope": .float(0.1)])
    refuses(kind, ["function": .string("clip"), "minimum": .float(0)])
    refuses(kind, ["function": .string("relu")])
    for activation in ["gelu", "leaky_relu", "mish"] {
      refuses("addition", ["activation": .string(activation), "slope": .float(0.1)], [.float32, .float32])
    }
    let bounds: [(Double, Double)] = [(1, 0), (.nan, 1), (0, .nan), (.infinity, .infinity), (-.infinity, -.infinity)]
    for (minimum, maximum) in bounds {
      let attributes: Attributes = [
        "activation": .string("clip"), "minimum": .float(minimum), "maximum": .float(maximum),
      ]
      refuses("addition", attributes, [.float32, .float32])
      refuses("addition", attributes, [Self.uint8, Self.uint8], output: Self.uint8)
    }
    // Bounds of another function.
    refuses("addition", ["activation": .string("relu"), "maximum": .float(6)], [.float32, .float32])
  }
}
