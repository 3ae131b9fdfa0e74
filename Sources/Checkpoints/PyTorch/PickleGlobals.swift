import Tensors

/// The meaning of a class or function that a pickle refers to.
enum GlobalRole: Sendable, Equatable {
  /// `dict` or `OrderedDict`.
  case dictionary
  /// `Counter`, which counts the elements of all but dictionaries.
  case counter
  /// `defaultdict`, whose first argument makes missing values.
  case defaultDictionary
  /// `_codecs.encode`, by which protocols before 3 write bytes.
  case encode
  case size
  case rebuildTensor, rebuildTensorV2, rebuildTensorV3
  case rebuildParameter
  /// `torch.nn.Parameter`, whose constructor takes a tensor.
  case parameter
  case rebuildFromType
  /// A function that creates a tensor of a kind that is not supported: quantised, sparse, nested, …
  case rebuildOther
  case storage(StorageType)
  /// An element type; `nil` if no `ElementType` stands for it.
  case dtype(ElementType?)
  /// Another class or function of Python, NumPy or PyTorch. Its objects are opaque.
  case data
  /// A class or function of any other module. Its objects are opaque.
  case foreign

  /// The role of `module.name`, or `nil` if it would run commands or code when Python loads the file.
  ///
  /// Nothing is ever called or looked up, whatever its role, so any name could be represented safely. A file with a
  /// hostile name is refused nonetheless, because it would harm users who load it in Python.
  init?(module: some StringProtocol, name: some StringProtocol) {
    guard !HostileGlobals.contains(module: String(module), name: String(name)) else { return nil }
    self = Self.role(module: module, name: name)
  }

  private static func role(module: some StringProtocol, name: some StringProtocol) -> GlobalRole {
    switch module {
    case "collections": return dictionaries[String(name)] ?? .data
    case "builtins", "__builtin__": return name == "dict" ? .dictionary : .data
    case "_codecs": return name == "encode" ? .encode : .data
    case "torch.nn.parameter": return name == "Parameter" ? .parameter : .data
    case "torch", "torch.storage", "torch.cuda": return torchRole(name) ?? .data
    case "torch._utils", "torch._tensor":
      guard name.hasPrefix("_rebuild_") || name == "_rebuild" else { return .data }
      return rebuilders[String(name)] ?? .rebuildOther
    default:
      let root = module.prefix { $0 != "." }
      return pythonModules.contains(String(root)) ? .data : .foreign
    }
  }

  /// The packages whose classes are so common in checkpoints that they are not reported.
  private static let pythonModules: Set<String> = [
    "torch", "numpy", "builtins", "__builtin__", "collections", "argparse", "pathlib", "datetime", "copy_reg",
    "copyreg", "_codecs", "functools", "enum", "decimal", "fractions", "uuid", "types", "typing",
  ]

  private static let dictionaries: [String: GlobalRole] = [
    "OrderedDict": .dictionary, "Counter": .counter, "defaultdict": .defaultDictionary,
  ]

  private static let rebuilders: [String: GlobalRole] = [
    "_rebuild_tensor": .rebuildTensor, "_rebuild_tensor_v2": .rebuildTensorV2, "_rebuild_tensor_v3": .rebuildTensorV3,
    "_rebuild_parameter": .rebuildParameter, "_rebuild_parameter_with_state": .rebuildParameter,
    "_rebuild_from_type": .rebuildFromType, "_rebuild_from_type_v2": .rebuildFromType,
  ]

  private static let storages: [String: ElementType] = [
    "Double": .float64, "Float": .float32, "Half": .float16, "BFloat16": .bfloat16, "Long": .int64, "Int": .int32,
    "Short": .int16, "Char": .int8, "Byte": .uint8, "Bool": .bool, "Untyped": .uint8,
  ]

  /// The element sizes in bytes of storages that are skipped and not read.
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
    return otherDtypes.contains(where: { name.hasPrefix($0) }) ? .dtype(nil) : nil
  }
}
