import Glibc
import Graphs
import ModelImport
import Operators
import ReferenceOperators
import Tensors
import Testing

@Suite struct ImportTests {
  static let models: [(String, @Sendable () -> ToyResNet)] = [
    ("basic", { ToyResNet([1, 1, 1, 1]) }),
    ("basic, bare names", { ToyResNet([2, 1]) { ($0.prefix, $0.classifier) = ("", "fc") } }),
    ("basic, one stage", { ToyResNet([3]) { $0.width = 6 } }),
    ("bottleneck", { ToyResNet([1, 2, 1]) { $0.isBottleneck = true } }),
    ("bottleneck, grouped", { ToyResNet([1, 1]) { ($0.isBottleneck, $0.width, $0.groups) = (true, 8, 4) } }),
    ("whitened", { ToyResNet([1, 1]) { $0.isWhitened = true } }),
    ("another classifier's name", { ToyResNet([1]) { $0.classifier = "last_linear" } }),
    ("no classifier", { ToyResNet([1]) { $0.classifier = nil } }),
    ("no exponent", { ToyResNet([1]) { $0.exponent = nil } }),
    ("exponent 1.7", { ToyResNet([1]) { $0.exponent = 1.7 } }),
  ]

  private static func model(_ name: String) throws -> ToyResNet {
    try #require(models.first { $0.0 == name }).1()
  }

  /// The imported graph, evaluated operator by operator in double precision, gives what the papers' network gives.
  @Test(arguments: models.map(\.0))
  func theGraphIsTheNetwork(name: String) throws {
    let model = try Self.model(name)
    let graph = try ModelImporter().importGraph(model.state)
    var random = SplitMix64(seed: 4)
    let (height, width) = (random.int(40...50), random.int(33...45))
    let image = (0..<height * width * 3).map { _ in Double.random(in: -2...2, using: &random) }
    let values = try graph.referenceValues(input: image, shape: [1, height, width, 3])
    let expected = model.evaluate(image, height: height, width: width) { pow($0, $1) }
    func expectClose(_ name: String, _ reference: [Double]) throws {
      let output = try #require(graph.output(named: name))
      let actual = try #require(values[output]).values
      try #require(actual.count == reference.count)
      let scale = reference.map { abs($0) }.max() ?? 1
      let difference = zip(actual, reference).map { abs($0 - $1) }.max() ?? 0
      #expect(difference <= 1e-6 * scale, "\(name) differs by \(difference) of \(scale)")
    }
    try expectClose(GraphOutput.normalizedEmbedding, expected.normalized)
    try expectClose(GraphOutput.embedding, expected.embedding)
    if model.classifier != nil {
      try expectClose(GraphOutput.logits, expected.logits)
    } else {
      #expect(graph.output(named: GraphOutput.logits) == nil)
    }
  }

  /// What reads the image of a network first.
  enum Reader: CaseIterable { case convolution, norm, pooling }

  /// A network that takes BGR images is made to take RGB: by its convolutions and norms, or by a convolution before all.
  @Test(arguments: Reader.allCases)
  func networksOfBGRImagesTakeRGB(_ first: Reader) throws {
    var graph = try ModelImporter().importGraph(ToyResNet([1]).state)
    func read(by op: any Operator, _ constants: [String: Tensor] = [:]) throws {
      let value = graph.makeValue()
      let reader = try #require(graph.nodes.firstIndex { $0.inputs == [graph.input] })
      graph.nodes[reader].inputs = [value]
      graph.nodes.insert(
        Node(name: "first", op: op, inputs: [graph.input], output: value, constants: constants), at: 0)
    }
    switch first {
    case .convolution: break
    case .norm:
      try read(
        by: BatchNormalization(epsilon: 1e-5),
        [
          "scale": Tensor([1, 2, 3] as [Float]), "shift": Tensor([0.1, 0.2, 0.3] as [Float]),
          "mean": Tensor([0, 0.5, 1] as [Float]), "variance": Tensor([1, 2, 0.5] as [Float]),
        ])
    case .pooling: try read(by: MaxPooling(window: Window(2)))
    }
    var changed = graph
    changed.convertInputToRGB()
    try changed.validate()
    #expect(changed.nodes.count == graph.nodes.count + (first == .pooling ? 1 : 0))
    var random = SplitMix64(seed: 4)
    let rgb = (0..<33 * 35 * 3).map { _ in Double.random(in: -2...2, using: &random) }
    let bgr = rgb.indices.map { rgb[$0 + 2 - 2 * ($0 % 3)] }
    let expected = try graph.referenceValues(input: bgr, shape: [1, 33, 35, 3])
    let actual = try changed.referenceValues(input: rgb, shape: [1, 33, 35, 3])
    for output in graph.outputs {
      let (a, b) = (try #require(expected[output.value]).values, try #require(actual[output.value]).values)
      #expect(zip(a, b).allSatisfy { abs($0 - $1) <= 1e-9 * max(1, abs($0)) })
    }
    changed.convertInputToRGB()
    let twice = try changed.referenceValues(input: bgr, shape: [1, 33, 35, 3])
    let value = try #require(graph.outputs.first).value
    #expect(zip(twice[value]?.values ?? [], expected[value]?.values ?? [1]).allSatisfy { abs($0 - $1) <= 1e-9 })
  }

  @Test func nothingIsCopied() throws {
    let model = ToyResNet([1, 1])
    let graph = try ModelImporter().importGraph(model.state)
    let convolution = try #require(graph.nodes.first { $0.name == "layer2.0.conv1" })
    let weight = try #require(convolution.constants["weight"])
    #expect(weight.storage === model["features.layer2.0.conv1.weight"]?.storage)
    #expect(weight.shape == [8, 3, 3, 4])
    #expect((convolution.op as? Convolution)?.window.strideHeight == 2)
  }

  @Test func architecturesAreNamedByTheirDepths() throws {
    #expect(try ModelImporter().importGraph(ToyResNet([2, 2, 2, 2]).state).architecture == "resnet18")
    #expect(try ModelImporter().importGraph(ToyResNet([3, 4, 6, 3]).state).architecture == "resnet34")
    let deep = ToyResNet([3, 4, 6, 3]) { $0.isBottleneck = true }
    #expect(try ModelImporter().importGraph(deep.state).architecture == "resnet50")
    #expect(try ModelImporter().importGraph(ToyResNet([1, 3]).state).architecture == "resnet[1, 3]")
  }

  @Test func optionsReplaceWhatTheCheckpointSays() throws {
    let model = ToyResNet([1])
    #expect(try ModelImporter().importGraph(model.state).poolingExponent == 3)
    #expect(try ModelImporter(poolingExponent: 4.5).importGraph(model.state).poolingExponent == 4.5)
    #expect(try ModelImporter(poolingExponent: .infinity).importGraph(model.state).poolingExponent == .infinity)
    #expect(try ModelImporter().importGraph(model.state).preprocessing == .imageNet)
    #expect(try ModelImporter(preprocessing: .half).importGraph(model.state).preprocessing == .half)
    for exponent in [0, -1, Double.nan] {
      expectError(
        model.state, ModelImporter(poolingExponent: exponent), "the GeM exponent is \(exponent), but it must be")
    }
  }

  // MARK: - Types

  @Test(arguments: [ElementType.float16, .bfloat16, .float64])
  func otherFloatsAreWidened(type: ElementType) throws {
    var model = ToyResNet([1, 1]) { $0.isWhitened = true }
    var widened = model
    for (name, tensor) in model.tensors where tensor.elementType == .float32 {
      let values = tensor.elements(as: Float.self)
      switch type {
      case .float64: model[name] = Tensor(values.map { Double($0) }, shape: tensor.shape)
      default:
        // Values that both halves hold: 7 bits of fraction, exponents near 0.
        let cut = values.map { Float(bitPattern: $0.bitPattern & 0xFFFF_0000) }
        let bits = cut.map { type == .bfloat16 ? UInt16($0.bitPattern >> 16) : Self.half($0) }
        let storage = TensorStorage(byteCount: 2 * bits.count) { bytes in
          bits.withUnsafeBytes { bytes.copyMemory(from: $0) }
        }
        model[name] = Tensor(elementType: type, shape: tensor.shape, storage: storage, byteOffset: 0)
        widened[name] = Tensor(type == .bfloat16 ? cut : bits.map { Float(halfBits: $0) }, shape: tensor.shape)
      }
    }
    let (a, b) = (try ModelImporter().importGraph(model.state), try ModelImporter().importGraph(widened.state))
    #expect(a.nodes.map(\.name) == b.nodes.map(\.name))
    for (x, y) in zip(a.nodes, b.nodes) {
      #expect(x.op.attributes == y.op.attributes)
      for (role, tensor) in y.constants {
        #expect(x.constants[role]?.elements(as: Float.self) == tensor.elements(as: Float.self), "\(x.name) \(role)")
      }
    }
  }

  /// The bits of a binary16 for a float whose fraction fits; too small ones become zero.
  private static func half(_ value: Float) -> UInt16 {
    let sign = UInt16(value.bitPattern >> 16) & 0x8000
    guard value != 0, value.exponent >= -14 else { return sign }
    return sign | UInt16(Int(value.exponent) + 15) << 10 | UInt16(value.bitPattern >> 13 & 0x3FF)
  }

  // MARK: - Errors

  private func expectError(
    _ state: StateDictionary, _ importer: ModelImporter, _ start: String,
    location: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: ImportError.self, sourceLocation: location) { try importer.importGraph(state) }
    let text = error?.description ?? ""
    #expect(text.hasPrefix(start), "\(text)", sourceLocation: location)
  }

  private func expectError(
    _ start: String, in model: ToyResNet = ToyResNet([2, 1]), location: SourceLocation = #_sourceLocation,
    after change: (inout ToyResNet) -> Void
  ) {
    var model = model
    change(&model)
    expectError(model.state, ModelImporter(), start, location: location)
  }

  @Test func missingTensorsAreListed() {
    let start = "this looks like resnet[2, 1], but "
    expectError("\(start)a tensor is missing: 'features.layer1.0.conv2.weight'") {
      $0["features.layer1.0.conv2.weight"] = nil
    }
    expectError("\(start)2 tensors are missing: 'features.bn1.running_mean', 'features.layer2.0.bn1.bias'") {
      ($0["features.layer2.0.bn1.bias"], $0["features.bn1.running_mean"]) = (nil, nil)
    }
    expectError("\(start)a tensor is missing: 'features.conv1.weight'") { $0["features.conv1.weight"] = nil }
    expectError("\(start)a tensor is missing: 'features.layer1.0.conv1.weight'") {
      $0["features.layer1.0.conv1.weight"] = nil
    }
    expectError("\(start)a tensor is missing: 'features.layer1.1.conv1.weight'") {
      $0["features.layer1.1.conv1.weight"] = nil
    }
    expectError("\(start)a tensor is missing: 'features.layer2.0.downsample.0.weight'") {
      $0["features.layer2.0.downsample.0.weight"] = nil
    }
    expectError(
      "\(start)5 tensors are missing: 'features.layer2.0.downsample.0.weight', 'features.layer2.0.downsample.1.weight'"
    ) {
      $0.removeAll { $0.contains("downsample") }
    }
    expectError("\(start)a tensor is missing: 'classifier.weight'") { $0["classifier.weight"] = nil }
    expectError(
      "this looks like resnet[1, 1], but a tensor is missing: 'features.layer1.0.conv3.weight'",
      in: ToyResNet([1, 1]) { $0.isBottleneck = true }
    ) { $0["features.layer1.0.conv3.weight"] = nil }
    expectError(
      "this looks like resnet[1], but a tensor is missing: 'whitening.pca.pca_m'",
      in: ToyResNet([1]) { $0.isWhitened = true }
    ) { $0["whitening.pca.pca_m"] = nil }
    // Not more than eight names.
    expectError("\(start)17 tensors are missing: ") {
      $0.removeAll { $0.contains("running_") || $0.contains(".downsample.0") }
    }
  }

  @Test func leftOverTensorsAreListed() {
    let start = "this looks like resnet[2, 1], but "
    let stranger = Tensor([1] as [Float])
    expectError("\(start)a tensor has no place in it: 'features.layer1.0.attention.weight'") {
      $0["features.layer1.0.attention.weight"] = stranger
    }
    expectError("\(start)2 tensors have no place in it: 'a', 'b'") { ($0["a"], $0["b"]) = (stranger, stranger) }
    expectError("\(start)a tensor has no place in it: 'features.layer4.0.conv1.weight'") {
      $0["features.layer4.0.conv1.weight"] = stranger
    }
  }

  @Test func trainingStateIsIgnored() throws {
    var model = ToyResNet([1])
    model["weighted_sampling.alpha"] = Tensor([1] as [Float])
    model["features.extra.num_batches_tracked"] = Tensor([1] as [Int64])
    _ = try ModelImporter().importGraph(model.state)
  }

  @Test func unfitTensorsAreNamed() {
    func tensor(_ shape: Shape) -> Tensor { Tensor([Float](repeating: 1, count: shape.elementCount), shape: shape) }
    expectError("tensor 'features.conv1.weight' has shape 4x3x7, but 4 axes are expected") {
      $0["features.conv1.weight"] = tensor([4, 3, 7])
    }
    expectError("tensor 'features.bn1.bias' has shape 2x2, but 1 axes are expected") {
      $0["features.bn1.bias"] = tensor([2, 2])
    }
    expectError("tensor 'features.bn1.bias' has shape 0") { $0["features.bn1.bias"] = tensor([0]) }
    expectError("tensor 'features.bn1.bias' holds int32, but weights are floating-point numbers") {
      $0["features.bn1.bias"] = Tensor([1, 2, 3, 4] as [Int32])
    }
    expectError("tensor 'bn1' does not fit its neighbours: constant 'scale' has 5 elements for a map of 4 channels") {
      $0["features.bn1.weight"] = tensor([5])
    }
    expectError("tensor 'layer1.0.conv2' does not fit its neighbours: weights for 5 channels") {
      $0["features.layer1.0.conv2.weight"] = tensor([4, 5, 3, 3])
    }
    expectError("tensor 'classifier' does not fit its neighbours: weights of 6x9 do not fit rows of 1x8") {
      $0["classifier.weight"] = tensor([6, 9])
    }
    expectError("tensor 'classifier' does not fit its neighbours: constant 'bias' has 5 elements") {
      $0["classifier.bias"] = tensor([5])
    }
    expectError("tensor 'pool.p' holds 2 values, and GeM pooling with one exponent for all channels is supported") {
      $0["pool.p"] = tensor([2])
    }
    expectError("tensor 'pool.p' is -3.0, but it must be positive") {
      $0["pool.p"] = Tensor([-3] as [Float], shape: [])
    }
    expectError("tensor 'pool.p' is nan, but it must be positive") {
      $0["pool.p"] = Tensor([.nan] as [Float], shape: [])
    }
  }

  @Test func unknownNamesAreShown() {
    expectError(
      StateDictionary([]), ModelImporter(),
      "the names of the 0 tensors match no architecture that quern supports (ResNet")
    let tensor = Tensor([1] as [Float])
    expectError(
      StateDictionary((0..<9).map { ("block\($0).weight", tensor) }), ModelImporter(),
      "the names of the 9 tensors match no architecture that quern supports (ResNet")
  }

  @Test func valuesThatAreNotFiniteAreFoundWhereTheyAreRead() throws {
    var model = ToyResNet([1])
    model["pool.p"] = Tensor([.infinity] as [Float], shape: [])
    model["weighted_sampling.alpha"] = Tensor([.nan] as [Float])
    #expect(try ModelImporter().importGraph(model.state).firstNonFinite() == nil)
    model["classifier.bias"] = Tensor([0, 1, .nan, 2, .infinity, 3] as [Float])
    let found = try #require(try ModelImporter().importGraph(model.state).firstNonFinite())
    #expect(found.node == "classifier" && found.role == "bias" && found.index == 2)
  }

  // MARK: - What a checkpoint does not say

  @Test func assumptionsAreStatedUnlessOptionsSayWhatHolds() throws {
    let model = ToyResNet([1, 1]) { ($0.isBottleneck, $0.exponent) = (true, nil) }
    let options = { (importer: ModelImporter) in
      try importer.importNetwork(model.state).assumptions.map { $0.option ?? "none" }
    }
    #expect(
      try options(ModelImporter()) == [
        "--output-stride or --last-stride", "--stride-in conv1", "--bn-epsilon", "--pooling-exponent",
        "--mean and --std",
      ])
    var structure = StructureOptions()
    structure.bottleneckStride = .secondConvolution
    structure.lastStride = 2
    structure.batchNormEpsilon = 1e-5
    let importer = ModelImporter(poolingExponent: 3, preprocessing: .imageNet, structure: structure)
    #expect(try options(importer).isEmpty)
  }

  @Test func anOptionThatChangesNothingIsRefused() {
    for change in [{ $0.bottleneckStride = .firstConvolution }, { $0.outputStride = 16 }, { $0.lastStride = 1 }]
      as [(inout StructureOptions) -> Void]
    {
      var structure = StructureOptions()
      change(&structure)
      expectError(
        ToyResNet([1]).state, ModelImporter(structure: structure), "\(structure.names[0]) has no effect on resnet[1]")
    }
  }
}
