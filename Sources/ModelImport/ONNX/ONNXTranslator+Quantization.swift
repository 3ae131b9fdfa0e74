import Checkpoints
import Graphs
import Operators
import Tensors

/// What a constant's DequantizeLinear says of it.
struct ONNXStoredLevels {
  /// One scale, or one for each index of some axis.
  let scales: [Float]
  /// The levels, where they are int32 and 0 stands for zero, as for biases.
  let int32Levels: [Int32]?
}

extension ONNXTranslator {
  /// Whether a node is QuantizeLinear or DequantizeLinear, of ONNX or, for the types that ONNX added later, of ONNX
  /// Runtime.
  static func isQuantization(_ node: ONNXModel.Node) -> Bool {
    (node.domain.isEmpty || node.domain == "com.microsoft")
      && (node.operatorType == "QuantizeLinear" || node.operatorType == "DequantizeLinear")
  }

  /// Operators through which the scales of a constant are followed. Planning checks that the weights are multiples of
  /// the scales, so that scales of the wrong axis do no harm.
  private static let keepingScales: Set<String> = [
    "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze",
  ]

  /// Records the scales of a folded constant, where the file states them.
  mutating func recordLevels(_ node: ONNXModel.Node) {
    guard let output = node.outputs.first, let source = node.inputs.first else { return }
    if Self.keepingScales.contains(node.operatorType) {
      storedLevels[output] = storedLevels[source]
    } else if node.operatorType == "DequantizeLinear", Self.isQuantization(node),
      let tensor = try? constant(node, 0), let stored = try? constant(node, 1),
      let scales = try? ONNXLevels.scales(stored)
    {
      let zeroPoints = hasInput(node, 2) ? (try? constant(node, 2)).flatMap { ONNXArray($0) }?.integers ?? [1] : []
      let isCentered = zeroPoints.allSatisfy { $0 == 0 } && tensor.elementType == .int32
      storedLevels[output] = ONNXStoredLevels(
        scales: scales, int32Levels: isCentered ? tensor.contiguous().elements(as: Int32.self) : nil)
      quantization.isEmpty = false
    }
  }

  /// Records that the weights of the node that computes a value are stored as levels, where they are.
  ///
  /// - Parameters:
  ///   - weight: the index of the input with the weights.
  ///   - bias: the index of the input with the bias.
  mutating func recordWeights(of output: ONNXActivation, _ node: ONNXModel.Node, weight: Int, bias: Int?) {
    guard hasInput(node, weight), let stored = storedLevels[node.inputs[weight]], let layer = producer(of: output),
      let outputs = layer.constants["weight"]?.shape[0], stored.scales.count == 1 || stored.scales.count == outputs
    else { return }
    var scales = stored.scales
    if scales.count == 1 { scales = [Float](repeating: scales[0], count: outputs) }
    var biasLevels: [Int32]?
    if let bias, hasInput(node, bias) { biasLevels = storedLevels[node.inputs[bias]]?.int32Levels }
    if biasLevels?.count != outputs { biasLevels = nil }
    quantization.weights[layer.id] = StoredQuantization.Weights(scales: scales, biasLevels: biasLevels)
  }

  /// The scale, the zero point and the levels of a node on an activation.
  fileprivate func levels(_ node: ONNXModel.Node, type: ElementType?) throws(ImportError) -> ONNXLevels {
    guard try integer(node, "block_size", default: 0) == 0 else {
      throw unsupported(node, "it has a scale for each block of an activation")
    }
    let scales: [Float]
    let stored = try constant(node, 1)
    do throws(ONNXFolding.Failure) { scales = try ONNXLevels.scales(stored) } catch {
      throw bad(node, error.problem)
    }
    var zeroPoints = [0]
    var levelType = type ?? .uint8
    if hasInput(node, 2) {
      let stored = try constant(node, 2)
      guard let array = ONNXArray(stored), !array.values.isEmpty, [1, scales.count].contains(array.values.count) else {
        throw bad(node, "has \(scales.count) scales and \(stored.elementCount) zero points")
      }
      (zeroPoints, levelType) = (array.integers, stored.elementType)
    }
    guard let bounds = ONNXLevels.bounds(of: levelType) else {
      throw unsupported(node, "it quantises an activation to \(levelType); quern reads 8 and 16 bits")
    }
    guard zeroPoints.allSatisfy({ $0 == zeroPoints[0] }) else {
      throw unsupported(node, "it has another zero point for each channel of an activation")
    }
    guard bounds.contains(zeroPoints[0]) else { throw bad(node, "has the zero point \(zeroPoints[0])") }
    guard scales.allSatisfy({ $0 == scales[0] }) else {
      return ONNXLevels(
        scale: 1, channelScales: scales, axis: try integer(node, "axis", default: 1), zeroPoint: zeroPoints[0],
        bounds: bounds)
    }
    return ONNXLevels(scale: scales[0], zeroPoint: zeroPoints[0], bounds: bounds)
  }
}

extension ONNXTranslator {
  /// The levels that a Cast reads, where it casts them to the type that they have, as in quantised modules that
  /// PyTorch's TorchScript exporter writes; `nil` for other casts.
  func levelsKept(by node: ONNXModel.Node, type: Int) throws(ImportError) -> ONNXValue? {
    let value = try value(node, 0)
    let types: [Int: ElementType] = [2: .uint8, 3: .int8, 4: .uint16, 5: .int16]
    guard case .step(.quantized(_, let levels, _)) = value, let type = types[type],
      ONNXLevels.bounds(of: type) == levels.bounds
    else { return nil }
    return value
  }

  /// The levels that a Clip of levels leaves, as in Brevitas' activations of fewer than 8 bits; `nil` where its input
  /// is not levels.
  func clippedLevels(
    _ node: ONNXModel.Node, minimum: Double?, maximum: Double?
  ) throws(ImportError) -> ONNXValue? {
    guard case .step(.quantized(let source, var levels, let first)) = try value(node, 0) else { return nil }
    let all = levels.clipped ?? levels.bounds
    let low = max(ONNXArray.integer(minimum ?? -.infinity), all.lowerBound)
    let high = min(ONNXArray.integer(maximum ?? .infinity), all.upperBound)
    guard low <= levels.zeroPoint, levels.zeroPoint <= high else {
      throw unsupported(node, "it clips levels to \(low) and \(high), without the level of zero, \(levels.zeroPoint)")
    }
    levels.clipped = low...high == levels.bounds ? nil : low...high
    return .step(.quantized(source, levels, node: first))
  }
}

extension ONNXTranslations {
  /// Rounding of activations to levels. The pair of QuantizeLinear and DequantizeLinear becomes one operator.
  static let quantization: [String: ONNXTranslation] = [
    "QuantizeLinear": { translator, node throws(ImportError) in
      guard translator.model.producer != "quern" else {
        throw translator.unsupported(
          node,
          "quern exported the model from a package, with levels in units of their own, and does not read it back; use "
            + "the package, or convert the checkpoint that it was made from")
      }
      var type: ElementType?
      switch try translator.integer(node, "output_dtype", default: 0) {
      case 0: break
      case 2: type = .uint8
      case 3: type = .int8
      case 4: type = .uint16
      case 5: type = .int16
      default: throw translator.unsupported(node, "it quantises an activation to a type other than 8 or 16 bits")
      }
      let levels = try translator.levels(node, type: type)
      return .step(.quantized(try translator.activation(node, 0), levels, node: node))
    },
    "DequantizeLinear": { translator, node throws(ImportError) in
      guard case .step(.quantized(let source, let levels, let first)) = try translator.value(node, 0) else {
        throw translator.unsupported(node, "its input is neither constant nor the output of QuantizeLinear")
      }
      var own = try translator.levels(node, type: levels.bounds == -128...127 ? .int8 : nil)
      own.clipped = levels.clipped
      guard own == levels else {
        throw translator.unsupported(node, "its scale or zero point differs from that of its QuantizeLinear")
      }
      return .activation(try translator.rounded(source, to: levels.unsigned, node: first))
    },
  ]
}

extension ONNXTranslator {
  /// A value rounded to levels. Equal roundings share a node.
  fileprivate mutating func rounded(
    _ source: ONNXActivation, to levels: ONNXLevels, node: ONNXModel.Node
  ) throws(ImportError) -> ONNXActivation {
    var (source, levels) = (source, levels)
    if let clipped = levels.clipped {
      guard levels.channelScales.isEmpty else {
        throw unsupported(node, "it clips levels, and has a scale for each channel")
      }
      // Rounding keeps the order of values, so that they can be clipped before it.
      func real(_ level: Int) -> Double { Double(levels.scale * Float(level - levels.zeroPoint)) }
      let all = levels.bounds
      let low = clipped.lowerBound == all.lowerBound ? -.infinity : real(clipped.lowerBound)
      let high = clipped.upperBound == all.upperBound ? .infinity : real(clipped.upperBound)
      source = try clip(source, minimum: low, maximum: high, node: node)
      levels.clipped = nil
    }
    if !levels.channelScales.isEmpty {
      let axis = levels.axis < 0 ? levels.axis &+ source.shape.rank : levels.axis
      guard axis == source.channelAxis, levels.channelScales.count == source.channels else {
        throw unsupported(node, "its \(levels.channelScales.count) scales are not those of channels")
      }
      // In the graph, the axis is that of the channels in whatever order of axes the model has.
      levels.axis = 1
    }
    let key = RoundingKey(base: source.value, levels: levels)
    if let cached = roundings[key] {
      return ONNXActivation(value: cached, shape: source.shape, isRow: source.isRow, channelAxis: source.channelAxis)
    }
    let op: FakeQuantization
    do throws(GraphError) {
      op = try FakeQuantization(scale: levels.scale, zeroPoint: levels.zeroPoint, levels: levels.bounds)
    } catch { throw bad(node, "\(error)") }
    var constants: [String: Tensor] = [:]
    if !levels.channelScales.isEmpty { constants["channel_scale"] = Tensor(levels.channelScales) }
    let result = try appendKeepingShape(op, node: node, source, constants: constants)
    roundings[key] = result.value
    quantization.isEmpty = false
    return result
  }
}
