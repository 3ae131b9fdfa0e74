import Checkpoints

/// The values of a model during translation, by their names in the model. Initialisers are those of the model, and not
/// copied with the others.
struct ONNXValues {
  private let initializers: NamedTensors
  /// The values that were set; `nil` for those that were removed.
  private var changed: [String: ONNXValue?] = [:]
  /// The names of values that depend on the image and are bytes. All others that depend on it are floating-point
  /// numbers, or the levels of QuantizeLinear.
  var bytes: Set<String> = []

  init(_ initializers: NamedTensors) { self.initializers = initializers }

  subscript(name: String) -> ONNXValue? {
    get {
      if let value = changed[name] { return value }
      return initializers[name].map { .constant($0) }
    }
    set { changed.updateValue(newValue, forKey: name) }
  }
}

extension ONNXTranslator {
  /// Operators that only move elements, or select some, so that it does not matter whether these are bytes.
  private static let moves: Set<String> = [
    "Concat", "Expand", "Flatten", "Gather", "Identity", "MaxPool", "Pad", "Reshape", "Slice", "SpaceToDepth", "Split",
    "Squeeze", "Transpose", "Unsqueeze",
  ]

  /// Operators of bytes whose results are not bytes, if there is a translation.
  private static let leavingBytes: Set<String> = ["Cast", "CastLike", "DequantizeLinear", "Shape"]

  /// Follows a value that is bytes, as the image is where the model takes uint8, through a node.
  ///
  /// - Throws: `ImportError.unsupportedOperator` where the node would compute in bytes, which wrap around and have no
  ///   fractions.
  mutating func followBytes(_ node: ONNXModel.Node) throws(ImportError) {
    let bytes = values.bytes
    guard !bytes.isEmpty, node.inputs.contains(where: { bytes.contains($0) }),
      !Self.leavingBytes.contains(node.operatorType)
    else { return }
    var isMove = Self.moves.contains(node.operatorType)
    if ["Resize", "Upsample"].contains(node.operatorType) {
      isMove = try text(node, "mode", default: "nearest") == "nearest"
    }
    guard isMove else {
      throw unsupported(
        node,
        "\(node.operatorType) computes in bytes here, as the image is uint8; cast the image to floating-point numbers "
          + "before it")
    }
    values.bytes.formUnion(node.outputs.filter { !$0.isEmpty })
  }
}
