import Tensors

/// The dictionaries of named tensors in an unpickled file, which `StateSearch` finds.
///
/// The tensors of a dictionary are checked (bounds, checksums, element types) only when `contents` is called for it, so
/// that the state of the optimiser takes no time.
struct PickledState {
  /// A dictionary that contains tensors directly.
  struct Group {
    /// The keys that lead to the dictionary.
    var path: [String]
    var entries: [Entry] = []
    /// A description of the first key that is not a string and whose value is a tensor.
    var unnamedKey: String?
  }

  struct Entry {
    var name: String
    var value: PickleValue
  }

  let groups: [Group]
  private let doubts: [[String]: String]
  private var resolver: TensorResolver
  private var pickle: Pickle { resolver.pickle }

  init(_ resolver: TensorResolver) throws(FormatError) {
    var search = StateSearch(resolver.pickle)
    try search.run()
    groups = search.groups
    doubts = search.doubts
    self.resolver = resolver
    guard !groups.isEmpty else { throw .noStateDict(reason: reasonForNoGroups()) }
  }

  /// The reason why there is no dictionary of tensors.
  private func reasonForNoGroups() -> String {
    guard case .dictionary(let root) = pickle.root else {
      return "the file contains \(pickle.summary(pickle.root)); save a module's state_dict()"
    }
    let flat = pickle.elements(root)
    var names: [String] = []
    var opaque: String?
    for i in stride(from: 0, to: flat.count - 1, by: 2) {
      guard case .string(let text) = flat[i], text.count <= StateSearch.nameLimit else {
        if case .tensor = flat[i + 1] { return "the key of a tensor is \(pickle.summary(flat[i])), not a string" }
        continue
      }
      if names.count < 5 { names.append(pickle.string(text)) }
      if case .opaque = flat[i + 1], opaque == nil {
        opaque = "'\(pickle.string(text))' is \(pickle.summary(flat[i + 1]))"
      }
    }
    return "no tensors in the dictionary of \(flat.count / 2) entries (\(names.joined(separator: ", "))…)"
      + (opaque.map { "; \($0), which is not run: save a module's state_dict()" } ?? "")
  }

  // MARK: - Choosing and resolving

  /// The group to read if the caller does not know the architecture: the only group, or the one under a key that
  /// training scripts use, or the one at the top.
  func defaultGroup() throws(FormatError) -> Int {
    if groups.count == 1 { return 0 }
    let keys = ["model_state", "state_dict", "model", "model_state_dict"]
    for depth in 1...2 {
      for key in keys {
        let match = groups.firstIndex {
          $0.path.count == depth && $0.path.first.map(keys.contains) == true && $0.path.last == key
        }
        if let match { return match }
      }
    }
    if let top = groups.firstIndex(where: { $0.path.isEmpty }) { return top }
    let names = groups.prefix(5).map { "'\($0.path.joined(separator: "."))'" }.joined(separator: ", ")
    throw .noStateDict(reason: "the file contains \(groups.count) dictionaries of tensors: \(names)")
  }

  /// Reads the tensors of some groups. Their names consist of the keys that lead to them from `base`.
  ///
  /// - Throws: `FormatError` if a tensor exceeds its storage, or if a storage is damaged.
  mutating func contents(of chosen: [Int], below base: [String]) throws(FormatError) -> CheckpointContents {
    var contents = CheckpointContents(tensors: NamedTensors(), foreignObjects: pickle.foreignNames(limit: 20))
    contents.classNames = ClassNames(pickle).found()
    for index in chosen {
      let group = groups[index]
      if let key = group.unnamedKey { throw .noStateDict(reason: "the key of a tensor is \(key), not a string") }
      try checkKeys(on: group.path)
      let prefix = group.path.dropFirst(base.count).map { $0 + "." }.joined()
      for entry in group.entries { try add(entry, named: prefix + entry.name, to: &contents) }
    }
    contents.ignored = ignored(outside: chosen, below: base) + contents.ignored
    return contents
  }

  /// Checks that the keys of a dictionary, and of those around it, are strings that Python would take for different
  /// ones.
  private func checkKeys(on path: [String]) throws(FormatError) {
    guard !doubts.isEmpty else { return }
    for depth in 0...path.count {
      let path = Array(path.prefix(depth))
      guard let key = doubts[path] else { continue }
      let place = path.isEmpty ? "at the top" : "of '\(path.joined(separator: "."))'"
      throw .noStateDict(
        reason: "a key \(place) is \(key), which may equal another key: save it with plain strings as keys")
    }
  }

  private mutating func add(
    _ entry: Entry, named name: String, to contents: inout CheckpointContents
  ) throws(FormatError) {
    let isTaken = contents.tensors[name] != nil || contents.unreadable[name] != nil
    switch entry.value {
    case .tensor(let position):
      do throws(FormatError) {
        let tensor = try resolver.tensor(position, named: name)
        guard !isTaken, contents.tensors.append(tensor, named: name) else {
          throw twoTensors(name, offset: pickle.tensors[Int(position)].offset)
        }
      } catch {
        guard case .unreadableTensor(_, let reason) = error else { throw error }
        guard !isTaken else { throw twoTensors(name, offset: pickle.tensors[Int(position)].offset) }
        contents.unreadable[name] = reason
      }
    case .opaque(let global):
      guard !isTaken else { throw twoTensors(name, offset: pickle.cursor.range.lowerBound) }
      let callable = pickle.name(ofGlobal: global)
      contents.unreadable[name] = "it is made by \(callable), which is not run: convert it to a float32 tensor"
      if !pickle.isTensor(entry.value) { contents.ignored.append(ignored(name, entry.value)) }
    default: contents.ignored.append(ignored(name, entry.value))
    }
  }

  private func twoTensors(_ name: String, offset: Int) -> FormatError {
    .malformed(field: "state dict", offset: offset, reason: "two tensors are named \(name)")
  }

  private func ignored(_ name: String, _ value: PickleValue) -> Checkpoint.Ignored {
    .init(name: name, reason: name.contains("optim") ? "optimiser state" : pickle.summary(value))
  }

  /// The values that the path `base` and the chosen groups pass by: all siblings on the way from the top of the object.
  private func ignored(outside chosen: [Int], below base: [String]) -> [Checkpoint.Ignored] {
    let paths = chosen.map { groups[$0].path }
    let holdsBase = paths.contains(base)
    var result: [Checkpoint.Ignored] = []
    var value = pickle.root
    for depth in 0...base.count {
      guard let entries = namedEntries(of: value) else { break }
      var next: PickleValue?
      let keys = Set(paths.compactMap { $0.count > depth ? $0[depth] : nil })
      for (name, element) in entries {
        if depth < base.count, name == base[depth] { next = element }
        let isOnPath = keys.contains(name)
        // The entries of the chosen dictionaries are handled one by one elsewhere.
        let isEntry = depth == base.count && element.nestedPosition == nil
        if !isOnPath, !(isEntry && holdsBase) { result.append(ignored(name, element)) }
      }
      guard let next else { break }
      value = next
    }
    return result
  }

  private func namedEntries(of value: PickleValue) -> [(name: String, value: PickleValue)]? {
    switch value {
    case .dictionary(let position):
      let flat = pickle.elements(position)
      var entries: [(String, PickleValue)] = []
      var starts: Set<UInt32> = []
      for i in stride(from: 0, to: flat.count - 1, by: 2) {
        guard case .string(let text) = flat[i], text.count <= StateSearch.keyLimit, starts.insert(text.start).inserted
        else { continue }
        entries.append((pickle.string(text), flat[i + 1]))
      }
      return entries
    case .list(let position), .tuple(let position):
      return pickle.elements(position).prefix(StateSearch.listLimit).enumerated().map { ("\($0)", $1) }
    default: return nil
    }
  }
}
