import Checkpoints
import Graphs
import Operators
import Tensors

extension ModelImporter {
  /// The oldest supported operator set; earlier ones have other rules for broadcasting.
  static let oldestOperatorSet = 7

  /// The number of nodes that translations for several sizes may have together, beyond which fewer sizes are tried.
  private static let translatedNodes = 40_000

  /// Imports the network of an ONNX model and returns only its graph.
  ///
  /// - Throws: `ImportError`, as `importNetwork(_:)`.
  package func importGraph(_ model: ONNXModel) throws(ImportError) -> Graph { try importNetwork(model).graph }

  /// Translates the network of an ONNX model into a float graph. Except for the names of nodes, this is the graph that
  /// the same weights give when they are read from a state dictionary. No weights are copied, except for half
  /// precision, which is widened.
  ///
  /// Where the height or the width is dynamic, the model is translated for several sizes, and all must give the same
  /// graph.
  ///
  /// - Throws: `ImportError.unsupportedOperator`, or `.badNode` and `.badNetwork` where the model is invalid or is not
  ///   a network for RGB images of any one size; `.option` where options are needed to tell the outputs apart or do not
  ///   fit the model.
  package func importNetwork(_ model: ONNXModel) throws(ImportError) -> ImportedNetwork {
    guard model.operatorSet >= Self.oldestOperatorSet else {
      throw .badNetwork(
        "the model uses opset \(model.operatorSet); quern reads \(Self.oldestOperatorSet) and later. Convert it with "
          + "onnx.version_converter")
    }
    let input = try ONNXImageInput(model)
    var (network, image): (ImportedNetwork, ONNXImageInput)
    do throws(ImportError) { (network, image) = try translateForItsSizes(model, input) } catch {
      throw ONNXAttention.explain(error, in: model, image: input.name)
    }
    let probe = image.fixedSize ?? FixedImageSize(height: 224, width: 224)
    if let poolingExponent {
      if poolingExponent != 1, network.graph.averagesOnePixel(side: probe.height) {
        throw .option(
          "the GeM exponent cannot be set: the embedding is the mean of a single pixel, as after a linear layer of a "
            + "flattened map")
      }
      do throws(GraphError) { try network.graph.setPoolingExponent(poolingExponent) } catch {
        throw .option("the GeM exponent cannot be set: \(error)")
      }
    }
    do throws(GraphError) {
      try network.graph.validate()
      _ = try network.graph.inferShapes(input: [1, probe.height, probe.width, 3])
    } catch { throw .badNetwork("\(error)") }
    network.fixedImageSize = image.fixedSize
    return network
  }

  /// Translates a model for all image sizes, if it states none, or else for one.
  ///
  /// - Returns: the network, and the input with the size that was chosen where the network needs one.
  private func translateForItsSizes(
    _ model: ONNXModel, _ image: ONNXImageInput
  ) throws(ImportError) -> (network: ImportedNetwork, image: ONNXImageInput) {
    let foldings = ONNXFoldingCache(model, isShared: image.isSizeOpen)
    guard image.isSizeOpen else { return (try translate(model, image, probe: image.probes[0], foldings), image) }
    let reason: String
    do throws(ImportError) {
      let network = try translate(model, image, probe: image.probes[0], foldings)
      var difference: String?
      for probe in image.probes.dropFirst() where difference == nil {
        difference = network.graph.firstDifference(from: try translate(model, image, probe: probe, foldings).graph)
      }
      guard let difference else { return (network, image) }
      reason = "the operation of node '\(difference)' depends on the size of the image"
    } catch {
      // Which outputs are meant does not depend on the size.
      if case .option = error { throw error }
      reason = "\(error)"
    }
    // The network has no meaning at most sizes, or another one at each: it is read for one size.
    // Each size takes a translation; models of so many nodes that all of them would take seconds are tried at fewer.
    let attempts = max(1, Self.translatedNodes / max(model.nodes.count, 1) - image.probes.count)
    let sides = imageSide.map { [$0] } ?? Array(ONNXImageInput.usualSides.prefix(attempts))
    var firstError: ImportError?
    for side in sides {
      let fixed = image.fixing(side: side)
      do throws(ImportError) {
        var network = try translate(model, fixed, probe: fixed.probes[0], foldings)
        if let size = fixed.fixedSize {
          network.assumptions.append(
            ImportAssumption(
              "the network is read for images of \(size.width)x\(size.height) pixels, although the model does not state "
                + "their size, as it cannot be read for all sizes: \(reason)", option: imageSide == nil ? "--size" : nil
            ))
        }
        return (network, fixed)
      } catch { firstError = firstError ?? error }
    }
    throw firstError ?? .badNetwork(reason)
  }

  private func translate(
    _ model: ONNXModel, _ image: ONNXImageInput, probe: Shape, _ foldings: ONNXFoldingCache
  ) throws(ImportError) -> ImportedNetwork {
    let empty = Graph(architecture: Self.architecture(of: model), preprocessing: .imageNet)
    var run = try ONNXRun(ONNXTranslator(model, graph: empty, image: image, probe: probe, foldings: foldings))
    var outputs = try ONNXOutputs(model, embedding: embeddingOutput, logits: logitsOutput)
    let graph = try outputs.attach(to: &run)
    var network = ImportedNetwork(
      graph: graph, assumptions: outputs.assumptions, notes: run.translator.notes + outputs.notes)
    if !run.translator.quantization.isEmpty { network.quantization = run.translator.quantization }
    setPreprocessing(of: &network, model, image, arithmetic: run.translator.arithmeticResults)
    return network
  }

  /// The model's name, unless it is one that exporters give to every model.
  private static func architecture(of model: ONNXModel) -> String {
    let anonymous = ["", "main_graph", "torch_jit", "torch-jit-export", "graph"]
    return anonymous.contains(model.name) ? "ONNX model" : model.name
  }

  // MARK: Preprocessing

  /// Sets the normalisation of pixels, which ONNX does not describe. Networks that take bytes or pixels in 0...255 get
  /// them as they are. NASNets, recognised by the names of their layers, get images scaled to -1...1, as they were
  /// trained. All others are assumed to expect ImageNet's statistics.
  private func setPreprocessing(
    of network: inout ImportedNetwork, _ model: ONNXModel, _ image: ONNXImageInput, arithmetic: Set<ValueID>
  ) {
    if image.isChannelsLast { network.notes.append("the input is NHWC") }
    let inputArithmetic = ONNXInputArithmetic(network.graph, arithmetic: arithmetic)
    if let preprocessing {
      network.graph.preprocessing = preprocessing
      return
    }
    let option = "--mean and --std"
    if image.takesBytes || inputArithmetic?.isOfBytes ?? false {
      network.graph.preprocessing = .bytes
      let reason =
        image.takesBytes ? "its input is bytes" : "the network \(inputArithmetic?.description ?? "")"
      network.assumptions.append(
        ImportAssumption("pixels are taken as they are, 0...255, as \(reason)", option: option))
      return
    }
    let isNASNet =
      model.nodes.contains { $0.name.contains("cell_stem_0") }
      || model.initializers.names.contains { $0.contains("cell_stem_0") }
    network.graph.preprocessing = isNASNet ? .half : .imageNet
    network.assumptions.append(.preprocessing(network.graph.preprocessing))
    if let inputArithmetic {
      network.assumptions.append(
        ImportAssumption(
          "images are normalised before the network, although it \(inputArithmetic.description) itself; if it expects "
            + "unnormalised pixels in 0...1", option: "--mean 0,0,0 --std 1,1,1", isDoubtful: true))
    }
  }
}

extension Preprocessing {
  /// Pixels in 0...255, not normalised.
  static let bytes = Preprocessing(mean: [0, 0, 0], std: [1 / 255, 1 / 255, 1 / 255])
}

extension Graph {
  /// The name of the first node that differs from another graph's in operator, attributes, inputs or shapes of
  /// constants.
  fileprivate func firstDifference(from other: Graph) -> String? {
    for (a, b) in zip(nodes, other.nodes) {
      guard a.kind == b.kind, a.op.attributes == b.op.attributes, a.inputs == b.inputs,
        a.constants.mapValues(\.shape) == b.constants.mapValues(\.shape)
      else { return a.name }
    }
    if nodes.count != other.nodes.count { return nodes.last?.name ?? "" }
    return outputs == other.outputs ? nil : nodes.last?.name ?? ""
  }
}
