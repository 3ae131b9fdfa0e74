import Checkpoints
import Graphs
import Operators
import Tensors

extension ModelImporter {
  /// The oldest supported operator set; earlier ones have other rules for broadcasting.
  static let oldestOperatorSet = 7

  /// Imports the network of an ONNX model and returns only its graph.
  ///
  /// - Throws: `ImportError`, as `importNetwork(_:)`.
  package func importGraph(_ model: ONNXModel) throws(ImportError) -> Graph { try importNetwork(model).graph }

  /// Translates the network of an ONNX model into a float graph. Except for the names of nodes, this is the graph that
  /// the same weights give when they are read from a state dictionary. No weights are copied, except for half
  /// precision, which is widened.
  ///
  /// Where the height or the width is dynamic, the model is translated for several sizes, `imageSides` among them, and
  /// all must give the same graph.
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
    let reading: ONNXSizes.Reading
    do throws(ImportError) {
      var sizes = try ONNXSizes(self, model, input)
      reading = try sizes.read()
    } catch {
      throw ONNXAttention.explain(error, in: model, image: input.name)
    }
    var network = reading.network
    let image = reading.image
    setPreprocessing(of: &network, model, image, arithmetic: reading.arithmetic)
    if let assumption = reading.assumption { network.assumptions.append(assumption) }
    let probe = image.statedSize ?? FixedImageSize(height: 224, width: 224)
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
    network.fixedImageSize = image.statedSize
    return network
  }

  /// The model's name, unless it is one that exporters give to every model.
  static func architecture(of model: ONNXModel) -> String {
    let anonymous = ["", "main_graph", "torch_jit", "torch-jit-export", "graph"]
    return anonymous.contains(model.name) ? "ONNX model" : ONNXTranslator.shortened(model.name)
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
