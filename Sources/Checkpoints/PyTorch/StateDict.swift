import Tensors

/// Finds the state dict in an unpickled file.
///
/// In order: under `model_state` (MultiGrain), `state_dict`, `model`, `model_state_dict` of the file's dictionary, also one
/// level further down; or the dictionary itself. What lies beside it is reported and not looked into.
struct StateDict {
  private static let wrappers = ["model_state", "state_dict", "model", "model_state_dict"]

  /// In bytes. Names go into messages and other files.
  private static let nameLimit = 1024

  private var resolver: TensorResolver
  private var contents = CheckpointContents(tensors: NamedTensors())
  private var pickle: Pickle { resolver.pickle }

  static func extract(_ resolver: TensorResolver) throws(FormatError) -> CheckpointContents {
    var reader = StateDict(resolver: resolver)
    try reader.extract()
    return reader.contents
  }

  private init(resolver: TensorResolver) { self.resolver = resolver }

  private mutating func extract() throws(FormatError) {
    guard case .dictionary(let root) = pickle.root else {
      throw .noStateDict(reason: "the file holds \(pickle.summary(pickle.root)); save a module's state_dict()")
    }
    var entries = try entries(root)
    for _ in 0..<2 {
      guard let (wrapper, inner) = wrapped(entries) else { break }
      for (name, value) in entries where name != wrapper { ignore(name, value) }
      entries = try self.entries(inner)
    }
    try read(entries)
  }

  private typealias Entry = (name: String, value: PickleValue)

  private func entries(_ dictionary: UInt32) throws(FormatError) -> [Entry] {
    let flat = pickle.elements(dictionary)
    var entries: [Entry] = []
    entries.reserveCapacity(flat.count / 2)
    // One text used for many keys must not become as many copies of it.
    var starts: Set<UInt32> = []
    for i in stride(from: 0, to: flat.count - 1, by: 2) {
      // A key that is no text can name no tensor of a state dict.
      if case .string(let text) = flat[i] {
        guard text.count <= Self.nameLimit, starts.insert(text.start).inserted else {
          throw .malformed(
            field: "dictionary key", offset: pickle.bytes(text).lowerBound,
            reason: text.count > Self.nameLimit ? "it has \(text.count) bytes" : "it is there twice")
        }
        entries.append((pickle.string(text), flat[i + 1]))
      } else if case .tensor = flat[i + 1] {
        throw .noStateDict(reason: "a tensor is named by \(pickle.summary(flat[i])), not by a text")
      }
    }
    return entries
  }

  private func wrapped(_ entries: [Entry]) -> (String, UInt32)? {
    for wrapper in Self.wrappers {
      for (name, value) in entries where name == wrapper {
        if case .dictionary(let inner) = value { return (name, inner) }
      }
    }
    return nil
  }

  private mutating func ignore(_ name: String, _ value: PickleValue) {
    let summary = pickle.summary(value)
    contents.ignored.append(.init(name: name, reason: name.contains("optim") ? "optimizer state" : summary))
  }

  private mutating func read(_ entries: [Entry]) throws(FormatError) {
    var wanted: [(name: String, tensor: UInt32)] = []
    for (name, value) in entries {
      switch value {
      case .tensor(let tensor): wanted.append((name, tensor))
      case .opaque(let global) where pickle.globals[Int(global)].role == .rebuildOther:
        throw .unreadableTensor(
          name: name, reason: "it is made by \(pickle.name(ofGlobal: global)), which is not supported: convert it")
      default: ignore(name, value)
      }
    }
    guard !wanted.isEmpty else {
      let names = entries.prefix(5).map(\.name).joined(separator: ", ")
      throw .noStateDict(reason: "no tensors in the dictionary of \(entries.count) entries (\(names)…)")
    }
    let prefix = "module."
    var stripped = 0
    // Twice where one parallel wrapper holds another.
    while stripped < 2 * prefix.count, wanted.allSatisfy({ $0.name.dropFirst(stripped).hasPrefix(prefix) }) {
      stripped += prefix.count
    }
    for (name, position) in wanted {
      let tensor = try resolver.tensor(position, named: name)
      let short = String(name.dropFirst(stripped))
      guard contents.tensors.append(tensor, named: short) else {
        throw .malformed(
          field: "state dict", offset: pickle.tensors[Int(position)].offset, reason: "two tensors are named \(short)")
      }
    }
  }
}
