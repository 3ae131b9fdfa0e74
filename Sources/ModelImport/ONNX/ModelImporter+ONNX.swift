import Checkpoints
import Graphs
import Operators
import Tensors

extension ModelImporter {
  /// The oldest operator set that is read; what came before had other rules for broadcasting.
  static let oldestOperatorSet = 7

  /// The graph alone of `importNetwork`.
  public func importGraph(_ model: ONNXModel) throws(ImportError) -> Graph { try importNetwork(model).graph }

  /// Turns the network of an ONNX model into a float graph: the graph that the same weights give when they are read from a
  /// state dict, but for the names of its nodes. No weights are copied but half precision, which is widened.
  ///
  /// Where height and width are left open, the model is translated for two sizes, and both must give one graph.
  ///
  /// - Throws: `ImportError`: an operator that is not supported, a network that is broken, outputs that are no embedding.
  public func importNetwork(_ model: ONNXModel) throws(ImportError) -> ImportedNetwork {
    guard model.operatorSet >= Self.oldestOperatorSet else {
      throw .badNetwork(
        "the model uses opset \(model.operatorSet); quern reads \(Self.oldestOperatorSet) and later. Convert it with "
          + "onnx.version_converter")
    }
    let (name, probes) = try input(of: model)
    var graphs: [Graph] = []
    for probe in probes { graphs.append(try translate(model, input: name, probe: probe)) }
    guard var graph = graphs.first, let probe = probes.first else { throw .badNetwork("the model has no input") }
    if let difference = graphs.dropFirst().lazy.compactMap({ graph.firstDifference(from: $0) }).first {
      throw .badNetwork(
        "what node '\(difference)' does depends on the size of the image; export the model with a fixed height and width"
      )
    }
    if let poolingExponent {
      do throws(GraphError) { try graph.setPoolingExponent(poolingExponent) } catch {
        throw .option("the GeM exponent cannot be set: \(error)")
      }
    }
    do throws(GraphError) {
      try graph.validate()
      _ = try graph.inferShapes(input: [1, probe[2], probe[3], 3])
    } catch { throw .badNetwork("\(error)") }
    return ImportedNetwork(graph: graph)
  }

  /// The image input, and the shapes to translate for, NCHW: the model's own, or two where it leaves the size open.
  private func input(of model: ONNXModel) throws(ImportError) -> (name: String, probes: [Shape]) {
    guard model.inputs.count == 1 else {
      throw .badNetwork(
        "the model has \(model.inputs.count) inputs, \(ONNXOutputs.list(model.inputs.map(\.name))), and one is expected"
      )
    }
    let input = model.inputs[0]
    guard let dimensions = input.dimensions, dimensions.count == 4 else {
      throw .badNetwork("the input '\(input.name)' is no batch of images: it must have 4 axes, NCHW")
    }
    if case .fixed(let channels) = dimensions[1], channels != 3 {
      throw .badNetwork("the input '\(input.name)' has \(channels) channels, and RGB images in NCHW order have 3")
    }
    guard input.elementType?.isFloatingPoint ?? true else {
      throw .badNetwork("the input '\(input.name)' is \(input.elementType.map { "\($0)" } ?? ""), not floating-point")
    }
    func extent(_ axis: Int, _ fallback: Int) throws(ImportError) -> Int {
      guard case .fixed(let extent) = dimensions[axis] else { return fallback }
      guard (1...8192).contains(extent) else {
        throw .badNetwork("the input '\(input.name)' has an extent of \(extent)")
      }
      return extent
    }
    let batch = try extent(0, 1)
    let first: Shape = [batch, 3, try extent(2, 224), try extent(3, 224)]
    let second: Shape = [batch, 3, try extent(2, 331), try extent(3, 331)]
    return (input.name, first == second ? [first] : [first, second])
  }

  private func translate(
    _ model: ONNXModel, input: String, probe: Shape
  ) throws(ImportError) -> Graph {
    var outputs = try ONNXOutputs(model, embedding: embeddingOutput, logits: logitsOutput)
    let empty = Graph(
      architecture: Self.architecture(of: model), preprocessing: preprocessing ?? Self.preprocessing(of: model))
    var translator = ONNXTranslator(model, graph: empty, input: input, probe: probe)
    for node in try ONNXSchedule(model).order(for: outputs.wanted) { try translator.translate(node) }
    return try outputs.attach(to: &translator)
  }

  /// What the model calls itself, unless that is what an exporter calls every model.
  private static func architecture(of model: ONNXModel) -> String {
    let anonymous = ["", "main_graph", "torch_jit", "torch-jit-export", "graph"]
    return anonymous.contains(model.name) ? "ONNX model" : model.name
  }

  /// ONNX does not carry it. NASNets, which their layers' names betray, were trained on images scaled to -1...1; everything
  /// else is taken to expect ImageNet's statistics.
  private static func preprocessing(of model: ONNXModel) -> Preprocessing {
    let isNASNet =
      model.nodes.contains { $0.name.contains("cell_stem_0") }
      || model.initializers.names.contains { $0.contains("cell_stem_0") }
    return isNASNet ? .half : .imageNet
  }
}

extension Graph {
  /// The name of the first node that differs from another graph's in operator, attributes, inputs or shapes of constants.
  fileprivate func firstDifference(from other: Graph) -> String? {
    for (a, b) in zip(nodes, other.nodes) {
      guard a.kind == b.kind, a.op.attributes == b.op.attributes, a.inputs == b.inputs,
        a.constants.mapValues(\.shape) == b.constants.mapValues(\.shape)
      else { return a.name }
    }
    return nodes.count == other.nodes.count ? nil : nodes.last?.name ?? ""
  }
}
