import Tensors

/// What a class or function named by a pickle means to this reader.
enum GlobalRole: Sendable, Equatable {
  case orderedDict
  case size
  case rebuildTensor, rebuildTensorV2, rebuildTensorV3
  case rebuildParameter
  case rebuildFromType
  /// Makes a tensor of a kind that is not read: quantised, sparse, nested, …
  case rebuildOther
  case storage(StorageType)
  /// `nil`: elements that no `ElementType` stands for.
  case dtype(ElementType?)
  /// Data or a class whose objects stay opaque.
  case data

  /// The role of `module.name`, or `nil` for what no checkpoint's data needs.
  ///
  /// The list says what is let through, because the rest of Python cannot be listed: `numpy` and `torch` themselves have
  /// functions that run code. Nothing is ever called, whatever its role.
  init?(module: some StringProtocol, name: some StringProtocol) {
    switch module {
    case "collections":
      if name == "OrderedDict" {
        self = .orderedDict
        return
      }
      guard ["defaultdict", "Counter", "deque"].contains(name) else { return nil }
    case "torch", "torch.storage", "torch.cuda":
      guard let role = Self.torchRole(name) else { return nil }
      self = role
      return
    case "torch._utils", "torch._tensor":
      guard name.hasPrefix("_rebuild_") || name == "_rebuild" else { return nil }
      self = Self.rebuilders[String(name)] ?? .rebuildOther
      return
    case "torch.nn.parameter", "torch._C", "torch.serialization":
      guard Self.torchClasses.contains(String(name)) else { return nil }
    case "_codecs": guard name == "encode" else { return nil }
    case "argparse": guard name == "Namespace" else { return nil }
    case "numpy", "numpy.dtypes", "numpy.core.multiarray", "numpy._core.multiarray", "numpy.core.numeric",
      "numpy._core.numeric":
      guard Self.isNumpyData(name) else { return nil }
    case "builtins", "__builtin__": guard Self.builtinTypes.contains(String(name)) else { return nil }
    case "pathlib": guard name.hasSuffix("Path") else { return nil }
    case "datetime": guard ["datetime", "date", "time", "timedelta", "timezone"].contains(name) else { return nil }
    case "copy_reg", "copyreg": guard name == "_reconstructor" else { return nil }
    default:
      guard module.hasPrefix("torch.optim.") || module.hasPrefix("torch.nn.modules.") else { return nil }
      guard name.first?.isUppercase ?? false else { return nil }  // classes, no functions
    }
    self = .data
  }

  private static let rebuilders: [String: GlobalRole] = [
    "_rebuild_tensor": .rebuildTensor, "_rebuild_tensor_v2": .rebuildTensorV2, "_rebuild_tensor_v3": .rebuildTensorV3,
    "_rebuild_parameter": .rebuildParameter, "_rebuild_parameter_with_state": .rebuildParameter,
    "_rebuild_from_type": .rebuildFromType, "_rebuild_from_type_v2": .rebuildFromType,
  ]

  private static let storages: [String: ElementType] = [
    "Double": .float64, "Float": .float32, "Half": .float16, "BFloat16": .bfloat16, "Long": .int64, "Int": .int32,
    "Short": .int16, "Char": .int8, "Byte": .uint8, "Bool": .bool, "Untyped": .uint8,
  ]

  /// The sizes of elements that are not read, but passed over.
  private static let otherStorages = [
    "ComplexFloat": 8, "ComplexDouble": 16, "QInt8": 1, "QUInt8": 1, "QInt32": 4, "QUInt4x2": 1, "QUInt2x4": 1,
  ]

  private static let dtypes: [String: ElementType] = [
    "float64": .float64, "double": .float64, "float32": .float32, "float": .float32, "float16": .float16,
    "half": .float16, "bfloat16": .bfloat16, "int64": .int64, "long": .int64, "int32": .int32, "int": .int32,
    "int16": .int16, "short": .int16, "int8": .int8, "uint8": .uint8, "bool": .bool, "uint16": .uint16,
    "uint32": .uint32, "uint64": .uint64,
  ]

  private static let otherDtypes = [
    "complex", "cfloat", "cdouble", "chalf", "qint", "quint", "float8_", "float4_", "bits",
  ]

  private static let torchClasses: Set<String> = [
    "Tensor", "Parameter", "device", "Generator", "strided", "sparse_coo",
    "contiguous_format", "channels_last", "preserve_format", "per_tensor_affine", "per_channel_affine",
    "_load_from_bytes",
  ]

  private static func torchRole(_ name: some StringProtocol) -> GlobalRole? {
    if name == "Size" { return .size }
    if let type = dtypes[String(name)] { return .dtype(type) }
    if name.hasSuffix("Storage") {
      let stem = String(name.dropLast("Storage".count))
      if let type = storages[stem] {
        return .storage(StorageType(name: "torch.\(name)", elementType: type, elementSize: type.byteCount))
      }
      return otherStorages[stem].map { .storage(StorageType(name: "torch.\(name)", elementType: nil, elementSize: $0)) }
    }
    if otherDtypes.contains(where: { name.hasPrefix($0) }) { return .dtype(nil) }
    return torchClasses.contains(String(name)) || name.hasSuffix("Tensor") ? .data : nil
  }

  private static func isNumpyData(_ name: some StringProtocol) -> Bool {
    if ["dtype", "ndarray", "scalar", "_reconstruct", "_frombuffer", "bool_"].contains(name) { return true }
    let stem = name.hasSuffix("DType") ? name.dropLast(5).lowercased() : String(name)
    let types = ["float", "int", "uint", "complex", "bool", "str", "bytes", "longdouble", "generic"]
    return types.contains { stem.hasPrefix($0) && stem.dropFirst($0.count).allSatisfy { $0.isNumber || $0 == "_" } }
  }

  private static let builtinTypes: Set<String> = [
    "set", "frozenset", "bytearray", "bytes", "complex", "slice", "range", "xrange", "list", "dict", "tuple", "int",
    "long", "float", "bool", "str", "unicode", "object",
  ]
}
