import Graphs
import Kernels
import Operators
import ReferenceOperators
import Runtime
import Tensors
import Testing
import Threads

/// What packages may hold that no converter writes. Every case ends in a typed error, or runs; nothing traps.
@Suite struct HostileTests {
  static let uint8 = ValueFormat.uint8(QuantizationParameters(scale: 0.5, zeroPoint: 7))

  /// A convolution that is fine, to be damaged: 8 channels to 8, 3x3, in two groups.
  struct Convolutional {
    var attributes = Convolution(window: Window(3, padding: 1), groups: 2).attributes
    var constants: [String: Tensor]
    var input: ValueFormat
    var output: ValueFormat

    init(int8: Bool) {
      let format = int8 ? uint8 : .float32
      (input, output) = (format, format)
      constants =
        int8
        ? [
          "weight": Tensor([Int8](repeating: 3, count: 288), shape: [8, 3, 3, 4]),
          "weight_scale": Tensor([Float](repeating: 0.1, count: 8)), "bias": Tensor([Int32](repeating: 5, count: 8)),
        ]
        : [
          "weight": Tensor([Float](repeating: 3, count: 288), shape: [8, 3, 3, 4]),
          "bias": Tensor([Float](repeating: 5, count: 8)),
        ]
    }

    func run(shape: Shape = [1, 6, 5, 8]) throws {
      try HostileTests.run(
        Convolution.wireName, attributes, [input], output: output, constants: constants, shape: shape)
    }
  }

  /// Decodes one operator and runs it in a graph of its own.
  static func run(
    _ wireName: String, _ attributes: Attributes, _ inputs: [ValueFormat], output: ValueFormat,
    constants: [String: Tensor], shape: Shape
  ) throws {
    let op = try OperatorCatalogue.decode(wireName, attributes)
    var graph = Graph(architecture: "hostile", preprocessing: .imageNet, inputFormat: inputs[0])
    var values = [graph.input]
    for (index, format) in inputs.enumerated().dropFirst() {
      values.append(graph.append(Requantize(), name: "input \(index)", inputs: [graph.input], format: format))
    }
    let value = graph.append(op, name: "node", inputs: values, constants: constants, format: output)
    graph.outputs = [GraphOutput(name: "output", value: value)]
    try graph.validate()
    _ = try? graph.inferShapes(input: [1, 8, 8, 3])
    _ = (graph.stride, graph.minSquareInput)
    let session = Session(try Executable(graph))
    let fill = { (_: Int, bytes: UnsafeMutableRawBufferPointer) in
      _ = bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }
    _ = try session.run(shape: shape, observer: { _, _, _ in }, fillInput: fill)
    _ = try graph.multiplyAccumulates(input: shape)
  }

  typealias Damage = @Sendable (inout Convolutional) -> Void

  static let damages: [(String, Damage)] = [
    ("no groups", { $0.attributes["groups"] = nil }),
    ("groups of another type", { $0.attributes["groups"] = .float(2) }),
    ("0 groups", { $0.attributes["groups"] = .int(0) }),
    ("negative groups", { $0.attributes["groups"] = .int(-1) }),
    ("groups that do not divide", { $0.attributes["groups"] = .int(3) }),
    ("more groups than channels", { $0.attributes["groups"] = .int(16) }),
    ("huge groups", { $0.attributes["groups"] = .int(.max) }),
    ("huge even groups", { $0.attributes["groups"] = .int(1 << 62) }),
    ("one group", { $0.attributes["groups"] = .int(1) }),
    ("no kernel", { $0.attributes["kernel"] = nil }),
    ("kernel of three", { $0.attributes["kernel"] = .ints([3, 3, 3]) }),
    ("empty kernel", { $0.attributes["kernel"] = .ints([]) }),
    ("kernel 0", { $0.attributes["kernel"] = .ints([0, 3]) }),
    ("kernel negative", { $0.attributes["kernel"] = .ints([3, -3]) }),
    ("kernel unlike the weight", { $0.attributes["kernel"] = .ints([5, 5]) }),
    ("kernel huge", { $0.attributes["kernel"] = .ints([.max, .max]) }),
    ("stride 0", { $0.attributes["stride"] = .ints([1, 0]) }),
    ("stride huge", { $0.attributes["stride"] = .ints([.max, 1]) }),
    ("padding that leaves nothing", { $0.attributes["padding"] = .ints([-6, 0, 0, 0]) }),
    ("padding hugely negative", { $0.attributes["padding"] = .ints([.min, .min, .min, .min]) }),
    ("padding huge", { $0.attributes["padding"] = .ints([.max, .max, .max, .max]) }),
    ("dilation 0", { $0.attributes["dilation"] = .ints([0, 1]) }),
    ("dilation huge", { $0.attributes["dilation"] = .ints([1024, 1024]) }),
    ("unknown activation", { $0.attributes["activation"] = .string("gelu") }),
    ("no activation", { $0.attributes["activation"] = nil }),
    ("ceil mode 2", { $0.attributes["ceil_mode"] = .int(2) }),
    ("padding to size without a stride", { $0.attributes["pads_to_size"] = .int(1) }),
    (
      "padding to size and padding",
      {
        $0.attributes["stride"] = .ints([2, 2])
        $0.attributes["padding"] = .ints([1, 1, 1, 1])
        $0.attributes["pads_to_size"] = .int(1)
      }
    ),
    ("ceil mode as text", { $0.attributes["ceil_mode"] = .string("yes") }),
    ("unknown attribute", { $0.attributes["transposed"] = .int(1) }),
    ("no weight", { $0.constants["weight"] = nil }),
    ("weight of rank 3", { $0.constants["weight"] = $0.constants["weight"]?.reshaped([8, 3, 12]) }),
    ("weight of rank 0", { $0.constants["weight"] = Tensor([Float(1)], shape: []) }),
    ("int8 weight without scale", { $0.constants["weight"] = Tensor([Int8(1)], shape: [1, 1, 1, 1]) }),
    ("weight of int16", { $0.constants["weight"] = Tensor([Int16](repeating: 3, count: 288), shape: [8, 3, 3, 4]) }),
    ("weight without outputs", { $0.constants["weight"] = Tensor([Int8](), shape: [0, 3, 3, 4]) }),
    ("float weight without outputs", { $0.constants["weight"] = Tensor([Float](), shape: [0, 3, 3, 4]) }),
    ("weight without inputs", { $0.constants["weight"] = Tensor([Int8](), shape: [8, 3, 3, 0]) }),
    ("float weight without inputs", { $0.constants["weight"] = Tensor([Float](), shape: [8, 3, 3, 0]) }),
    (
      "weight with few inputs",
      { $0.constants["weight"] = Tensor([Int8](repeating: 1, count: 72), shape: [8, 3, 3, 1]) }
    ),
    ("weight of another kernel", { $0.constants["weight"] = $0.constants["weight"]?.reshaped([8, 9, 1, 4]) }),
    ("bias of another length", { $0.constants["bias"] = Tensor([Int32](repeating: 5, count: 7)) }),
    ("bias of another type", { $0.constants["bias"] = Tensor([Double](repeating: 5, count: 8)) }),
    ("a bias without elements", { $0.constants["bias"] = Tensor([Float]()) }),
    ("an unknown constant", { $0.constants["zero_point"] = Tensor([Int8(1)]) }),
    ("a uint8 output of float", { ($0.input, $0.output) = (.float32, uint8) }),
    (
      "a padding value where there is none", { $0.constants["padding_value"] = Tensor([UInt8](repeating: 1, count: 8)) }
    ),
  ]

  @Test(arguments: damages.map(\.0), [false, true])
  func damagedConvolutionsAreRefused(name: String, int8: Bool) throws {
    var problem = Convolutional(int8: int8)
    try problem.run()
    try #require(Self.damages.first { $0.0 == name }).1(&problem)
    #expect(throws: GraphError.self) { try problem.run() }
  }

  static let int8Damages: [(String, Damage)] = [
    ("no scale", { $0.constants["weight_scale"] = nil }),
    ("scale NaN", { $0.constants["weight_scale"] = Tensor([.nan] + [Float](repeating: 1, count: 7)) }),
    ("scale infinite", { $0.constants["weight_scale"] = Tensor([.infinity] + [Float](repeating: 1, count: 7)) }),
    ("scale negative", { $0.constants["weight_scale"] = Tensor([-1] + [Float](repeating: 1, count: 7)) }),
    ("scale zero", { $0.constants["weight_scale"] = Tensor([0] + [Float](repeating: 1, count: 7)) }),
    ("scale of another length", { $0.constants["weight_scale"] = Tensor([Float](repeating: 1, count: 6)) }),
    ("scale of another type", { $0.constants["weight_scale"] = Tensor([Double](repeating: 1, count: 8)) }),
    ("a folded bias beyond 32 bits", { $0.constants["bias"] = Tensor([Int32.min] + [Int32](repeating: 1, count: 7)) }),
    (
      "a multiplier beyond float",
      {
        $0.constants["weight_scale"] = Tensor([3e38] + [Float](repeating: 1, count: 7))
        $0.output = .uint8(QuantizationParameters(scale: 1e-30, zeroPoint: 0))
      }
    ),
  ]

  @Test(arguments: int8Damages.map(\.0))
  func damagedInt8ConvolutionsAreRefused(name: String) throws {
    var problem = Convolutional(int8: true)
    try #require(Self.int8Damages.first { $0.0 == name }).1(&problem)
    #expect(throws: GraphError.self) { try problem.run() }
  }

  @Test(
    arguments: [
      ([0, 6, 5, 8], "an empty batch"), ([1, 0, 5, 8], "no height"), ([1, -6, 5, 8], "a negative height"),
      ([1, 6, 5, 7], "other channels"), ([6, 5, 8], "rank 3"), ([], "rank 0"), ([1, 1 << 40, 1 << 40, 8], "overflow"),
      ([1, 1 << 20, 1 << 20, 8], "too large"), ([.max, .max, .max, .max], "far too large"),
    ] as [([Int], String)])
  func unfitInputsAreRefused(shape: [Int], what: String) {
    for int8 in [false, true] {
      #expect(throws: GraphError.self, "\(what)") { try Convolutional(int8: int8).run(shape: Shape(shape)) }
    }
  }

  @Test func paddingThatFillsTheMemoryIsRefused() {
    var problem = Convolutional(int8: true)
    problem.attributes["padding"] = .ints([1024, 1024, 1024, 1024])
    #expect(throws: GraphError.self) { try problem.run(shape: [64, 6, 5, 8]) }
    // The padded copy of a first convolution: its output is small, the copy is beyond 32-bit offsets.
    problem.attributes["groups"] = .int(1)
    problem.attributes["stride"] = .ints([700, 700])
    problem.constants["weight"] = Tensor([Int8](repeating: 1, count: 8 * 9 * 3), shape: [8, 3, 3, 3])
    #expect(throws: GraphError.self) { try problem.run(shape: [600, 6, 5, 3]) }
  }

  @Test func otherOperatorsRefuseUnfitConstantsAndShapes() throws {
    let four: Tensor = Tensor([1, 2, 3, 4] as [Float])
    let pool = MaxPooling(window: Window(3, padding: 1)).attributes
    func refuses(
      _ kind: String, _ attributes: Attributes = [:], _ inputs: [ValueFormat] = [.float32],
      output: ValueFormat = .float32, _ constants: [String: Tensor] = [:], shape: Shape = [1, 4, 4, 4],
      location: SourceLocation = #_sourceLocation
    ) {
      #expect(throws: GraphError.self, sourceLocation: location) {
        try Self.run(kind, attributes, inputs, output: output, constants: constants, shape: shape)
      }
    }
    refuses("no such operator")
    refuses("relu", ["slope": .float(0.1)])
    refuses("relu", output: Self.uint8)
    refuses("relu", [:], [.float32], output: .float32, ["slope": four])
    refuses("addition", ["activation": .string("none")], [.float32, Self.uint8])
    refuses("addition", ["activation": .string("none")])
    refuses("addition", ["activation": .int(0)], [.float32, .float32])
    refuses("max_pooling", [:])
    refuses("max_pooling", pool, output: Self.uint8)
    var wide = pool
    wide["padding"] = .ints([3, 1, 1, 1])
    refuses("max_pooling", wide)
    var stepping = MaxPooling(window: Window(2, padding: 1)).attributes
    stepping["dilation"] = .ints([2, 2])
    refuses("max_pooling", stepping, shape: [1, 1, 1, 4])
    var endless = MaxPooling(window: Window(1024, padding: 1023)).attributes
    refuses("max_pooling", endless, shape: [1, 900, 900, 4])
    endless["kernel"] = .ints([1025, 1])
    refuses("max_pooling", endless)
    refuses("gem_pooling", ["exponent": .float(3)])
    refuses("gem_pooling", ["exponent": .float(.nan), "append_one": .int(0)])
    refuses("gem_pooling", ["exponent": .float(0), "append_one": .int(0)])
    refuses("gem_pooling", ["exponent": .float(-1), "append_one": .int(0)])
    refuses("gem_pooling", ["exponent": .float(3), "append_one": .int(2)])
    refuses("gem_pooling", ["exponent": .float(3), "append_one": .int(0)], output: Self.uint8)
    refuses("l2_normalization", ["epsilon": .float(1e-6)])
    refuses("l2_normalization", ["epsilon": .float(-1)])
    refuses("l2_normalization", ["epsilon": .float(.nan)])
    refuses("centering", [:], [.float32], output: .float32, ["mean": four])
    refuses("linear", [:], [.float32], output: .float32, ["weight": four.reshaped([1, 4])])
    let norm = ["scale": four, "shift": four, "mean": four, "variance": four]
    for role in norm.keys.sorted() {
      var constants = norm
      constants[role] = nil
      refuses("batch_normalization", ["epsilon": .float(0)], [.float32], output: .float32, constants)
      constants[role] = Tensor([1, 2] as [Float])
      refuses("batch_normalization", ["epsilon": .float(0)], [.float32], output: .float32, constants)
      constants[role] = Tensor([1, 2, 3, 4] as [Int32])
      refuses("batch_normalization", ["epsilon": .float(0)], [.float32], output: .float32, constants)
    }
    var negative = norm
    negative["variance"] = Tensor([1, -2, 3, 4] as [Float])
    refuses("batch_normalization", ["epsilon": .float(1)], [.float32], output: .float32, negative)
    negative["variance"] = Tensor([1, .nan, 3, 4] as [Float])
    refuses("batch_normalization", ["epsilon": .float(1)], [.float32], output: .float32, negative)
  }

  @Test func edgePaddingRefusesUnfitParameters() throws {
    func run(_ attributes: Attributes) throws {
      var graph = Graph(architecture: "hostile", preprocessing: .imageNet)
      let op = try OperatorCatalogue.decode(EdgePadding.wireName, attributes)
      let map = graph.append(op, name: "pad", inputs: [graph.input])
      let row = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [map])
      graph.outputs = [GraphOutput(name: "output", value: row)]
      _ = try Session(try Executable(graph)).run(shape: [2, 2, 2, 3]) {
        $1.initializeMemory(as: UInt8.self, repeating: 0)
      }
    }
    try run(["rule": .string("reflect"), "margins": .ints([1, 1, 1, 1])])
    try run(["rule": .string("replicate"), "margins": .ints([9, 0, 0, 9])])
    let bad: [Attributes] = [
      ["rule": .string("reflect"), "margins": .ints([2, 0, 0, 0])],
      ["rule": .string("reflect"), "margins": .ints([0, 0, 0, 2])],
      ["rule": .string("reflect"), "margins": .ints([-1, 0, 0, 0])],
      ["rule": .string("replicate"), "margins": .ints([1025, 0, 0, 0])],
      ["rule": .string("replicate"), "margins": .ints([1, 1])],
      ["rule": .string("wrap"), "margins": .ints([1, 1, 1, 1])],
      ["margins": .ints([1, 1, 1, 1])], ["rule": .int(1), "margins": .ints([1, 1, 1, 1])], ["rule": .string("reflect")],
    ]
    for attributes in bad { #expect(throws: GraphError.self, "\(attributes)") { try run(attributes) } }
  }

  @Test func channelwisePoolingRefusesUnfitParameters() throws {
    func run(_ constants: [String: Tensor], floor: Double = 1e-6) throws {
      var graph = Graph(architecture: "hostile", preprocessing: .imageNet)
      let op = try OperatorCatalogue.decode(ChannelwiseMeanPooling.wireName, ["floor": .float(floor)])
      let row = graph.append(op, name: "pool", inputs: [graph.input], constants: constants)
      graph.outputs = [GraphOutput(name: "output", value: row)]
      _ = try Session(try Executable(graph)).run(shape: [2, 2, 2, 3]) {
        $1.initializeMemory(as: UInt8.self, repeating: 0)
      }
    }
    let exponent = Tensor([1, 2.5, 3] as [Float])
    try run(["exponent": exponent])
    let bad: [[String: Tensor]] = [
      [:], ["exponent": Tensor([1, 2] as [Float])], ["exponent": Tensor([1, 2, 3] as [Double])],
      ["exponent": exponent.reshaped([1, 3])], ["exponent": Tensor([1, 0, 3] as [Float])],
      ["exponent": Tensor([1, -2, 3] as [Float])], ["exponent": Tensor([1, .nan, 3] as [Float])],
      ["exponent": Tensor([1, .infinity, 3] as [Float])], ["exponent": exponent, "weight": exponent],
    ]
    for constants in bad { #expect(throws: GraphError.self, "\(constants)") { try run(constants) } }
    for floor in [-1, Double.nan, .infinity] {
      #expect(throws: GraphError.self) { try run(["exponent": exponent], floor: floor) }
    }
  }

  /// Rows come from pooling, so linear layers are damaged behind one.
  @Test func linearLayersRefuseUnfitConstants() throws {
    func run(_ constants: [String: Tensor], _ op: any Operator = Linear()) throws {
      var graph = Graph(architecture: "hostile", preprocessing: .imageNet)
      let row = graph.append(GeneralizedMeanPooling(exponent: 1), name: "pool", inputs: [graph.input])
      let output = graph.append(op, name: "linear", inputs: [row], constants: constants)
      graph.outputs = [GraphOutput(name: "output", value: output)]
      _ = try Session(try Executable(graph)).run(shape: [2, 2, 2, 3]) {
        $1.initializeMemory(as: UInt8.self, repeating: 0)
      }
    }
    let weight = Tensor([Int8](repeating: 1, count: 6), shape: [2, 3])
    let scale = Tensor([1, 2] as [Float])
    try run(["weight": weight, "weight_scale": scale])
    let bad: [[String: Tensor]] = [
      [:], ["weight": weight], ["weight": weight, "weight_scale": Tensor([1, .nan] as [Float])],
      ["weight": weight, "weight_scale": Tensor([1, -1] as [Float])],
      ["weight": weight, "weight_scale": Tensor([1, 2, 3] as [Float])],
      ["weight": weight, "weight_scale": scale, "bias": Tensor([1, 2] as [Int32])],
      ["weight": weight, "weight_scale": scale, "bias": Tensor([1] as [Float])],
      ["weight": weight, "weight_scale": scale, "zero_point": Tensor([1] as [Float])],
      ["weight": weight.reshaped([3, 2]), "weight_scale": Tensor([1, 2, 3] as [Float])],
      ["weight": weight.reshaped([6]), "weight_scale": scale],
      ["weight": Tensor([Int8](), shape: [0, 3]), "weight_scale": Tensor([Float]())],
      ["weight": Tensor([Float](), shape: [0, 3])], ["weight": Tensor([Float](), shape: [3, 0])],
      ["weight": Tensor([Int32](repeating: 1, count: 6), shape: [2, 3])],
      ["weight": Tensor([Float](repeating: 1, count: 6), shape: [2, 3]), "weight_scale": scale],
    ]
    for constants in bad { #expect(throws: GraphError.self, "\(constants)") { try run(constants) } }
    #expect(throws: GraphError.self) { try run(["mean": Tensor([1, 2] as [Float])], Centering()) }
    #expect(throws: GraphError.self) { try run([:], Centering()) }
    #expect(throws: GraphError.self) { try run(["mean": Tensor([1, 2, 3] as [Double])], Centering()) }
  }

  /// Products of strides that overflow.
  @Test func endlessStridesDoNotTrap() throws {
    var graph = Graph(architecture: "hostile", preprocessing: .imageNet)
    var value = graph.input
    for index in 0..<8 {
      value = graph.append(MaxPooling(window: Window(1, stride: 1024)), name: "\(index)", inputs: [value])
    }
    graph.outputs = [GraphOutput(name: "output", value: value)]
    #expect(graph.stride == .max)
    _ = graph.minSquareInput
  }

  /// Valid problems with a few attributes, constants, formats and shapes exchanged at random: an error or a result, and
  /// the same one whatever the kernels.
  @Test(arguments: 0..<400)
  func randomDamageNeverTraps(seed: Int) throws {
    var random = SplitMix64(seed: UInt64(900_000 + seed))
    let suite = random.pick(Suites.all.map(\.name))
    let problem = try Suites.make(suite, seed: seed)
    var attributes = problem.op.attributes
    var constants = problem.constants
    var inputs = problem.inputs
    var output = problem.outputFormat
    let ints = [Int.min, -1, 0, 1, 2, 3, 4, 7, 1024, 1025, 1 << 32, 1 << 62, .max]
    for _ in 0..<random.int(1...3) {
      switch random.int(0...4) {
      case 0:
        guard let (name, value) = attributes.sorted.isEmpty ? nil : random.pick(attributes.sorted) else { continue }
        switch value {
        case .int: attributes[name] = .int(random.pick(ints))
        case .ints(let values): attributes[name] = .ints(values.map { random.chance(0.5) ? $0 : random.pick(ints) })
        case .float: attributes[name] = .float(random.pick([.nan, 0, -1, 1e300, 1e-300, .infinity, 0.5]))
        default: attributes[name] = nil
        }
      case 1:
        guard let role = constants.keys.sorted().first, let tensor = constants[role] else { continue }
        let role2 = random.pick(constants.keys.sorted())
        constants[role2] = random.pick([
          tensor, Tensor([Float](repeating: random.pick([.nan, 1, -1, .infinity]), count: 12), shape: [3, 4]),
          Tensor([Int8](), shape: [4, 0, 1]), Tensor([Int32](repeating: .max, count: tensor.elementCount)),
          Tensor([Int8](repeating: 127, count: tensor.elementCount), shape: tensor.shape),
          Tensor([Float](repeating: 3e38, count: tensor.elementCount), shape: tensor.shape),
        ])
      case 2: output = random.chance(0.5) ? .float32 : Suites.uint8(&random, scale: 1e-37...1e-36)
      case 3:
        let slot = random.int(0...inputs.count - 1)
        inputs[slot] = Activation.random(
          inputs[slot].shape, random.chance(0.5) ? .float32 : Suites.uint8(&random), &random)
      default:
        let slot = random.int(0...inputs.count - 1)
        var shape = inputs[slot].shape
        shape.dimensions[random.int(0...shape.rank - 1)] = random.int(1...9)
        inputs[slot] = Activation.random(shape, inputs[slot].format, &random)
      }
    }
    var first: Elements?
    for (_, kernels) in KernelTiers.runnable {
      let team = ThreadTeam(count: 2)
      do {
        let op = try OperatorCatalogue.decode(type(of: problem.op).wireName, attributes)
        let runnable = try #require(op as? any RunnableOperator)
        let shape = try op.outputShape(inputs: inputs.map(\.shape), constants: constants)
        // Formed only to see that it does not trap; a larger one is a matter of patience.
        guard shape.elementCount < 1 << 22 else { return }
        let outcome = try NodeRun.run(
          runnable, inputs, outputFormat: output, constants: constants, kernels: kernels, team: team)
        #expect(outcome.elements == first ?? outcome.elements)
        first = outcome.elements
      } catch is GraphError {}
    }
  }
}
