/// Searches an unpickled object for dictionaries of named tensors.
///
/// Dictionaries are searched under all keys that are strings, and so are lists and tuples.
struct StateSearch {
  /// The number of levels below the top of the object that are searched. Training scripts use at most three.
  private static let depthLimit = 6
  /// The maximum length of a list that is searched. A longer one is data and not a part of a checkpoint.
  static let listLimit = 64
  private static let groupLimit = 1 << 14
  /// The maximum lengths of a tensor's name and of another key, in bytes. They go into messages and other files.
  static let (nameLimit, keyLimit) = (1024, 128)

  private let pickle: Pickle
  private(set) var groups: [PickledState.Group] = []
  /// The dictionaries with a key that may equal another, by the keys that lead to them, and a description of that key.
  private(set) var doubts: [[String]: String] = [:]
  /// For each container that was found, the one through which it was found first; itself for the top.
  private var parents: [UInt32: UInt32] = [:]
  /// The number of groups in each container that was searched.
  private var groupCounts: [UInt32: Int] = [:]
  private var repetitions: [Repetition] = []
  /// The containers on the way to the one that is searched again; `nil` if each is searched only once.
  private var repeatedPath: [UInt32]?
  /// The number of elements that may be searched again.
  private var budget: Int

  /// A container with groups in another place than the first.
  private struct Repetition {
    let position: UInt32
    let value: PickleValue
    let path: [String]
    let parent: UInt32
  }

  init(_ pickle: Pickle) {
    self.pickle = pickle
    budget = Self.budget(pickle)
  }

  private static func budget(_ pickle: Pickle) -> Int { (1 << 16) + pickle.cursor.range.count }

  mutating func run() throws(FormatError) {
    try search(pickle.root, path: [], parent: nil)
    // A part that networks share belongs to each of them. What is alone in its other place is the same network.
    let shared = repetitions.filter { isPartOfMore($0) }
    repeatedPath = []
    for repetition in shared { try search(repetition.value, path: repetition.path, parent: repetition.parent) }
  }

  /// Whether there are other groups than its own where a container is repeated.
  private func isPartOfMore(_ repetition: Repetition) -> Bool {
    var outer = repetition.position
    while let parent = parents[outer], parent != outer, outer != repetition.parent { outer = parent }
    let own = outer == repetition.parent ? groupCounts[repetition.position] ?? 0 : 0
    return groupCounts[repetition.parent] ?? 0 > own
  }

  private mutating func search(_ value: PickleValue, path: [String], parent: UInt32?) throws(FormatError) {
    guard path.count <= Self.depthLimit, let position = value.nestedPosition, position > 0 else { return }
    let isDictionary = if case .dictionary = value { true } else { false }
    guard isDictionary || pickle.elements(position).count <= Self.listLimit,
      try mayEnter(position, value, path: path, parent: parent)
    else { return }
    let before = groups.count
    repeatedPath?.append(position)
    if isDictionary {
      try searchDictionary(position, path: path)
    } else {
      for (index, element) in pickle.elements(position).enumerated() {
        try search(element, path: path + ["\(index)"], parent: position)
      }
    }
    if repeatedPath == nil { groupCounts[position] = groups.count - before }
    _ = repeatedPath?.popLast()
  }

  /// Whether a container is to be searched: once, and where it is searched again, not within itself.
  private mutating func mayEnter(
    _ position: UInt32, _ value: PickleValue, path: [String], parent: UInt32?
  ) throws(FormatError) -> Bool {
    if let repeatedPath {
      guard !repeatedPath.contains(position) else { return false }
      budget -= min(pickle.elements(position).count, budget + 1)
      guard budget >= 0 else { throw tooMany("elements of containers in several places", Self.budget(pickle)) }
      return true
    }
    guard let first = parents[position] else {
      parents[position] = parent ?? position
      return true
    }
    if let parent, parent != first, groupCounts[position] ?? 0 > 0 {
      guard repetitions.count < Self.groupLimit else {
        throw tooMany("places of dictionaries of tensors", Self.groupLimit)
      }
      repetitions.append(Repetition(position: position, value: value, path: path, parent: parent))
    }
    return false
  }

  private func tooMany(_ what: String, _ limit: Int) -> FormatError {
    .limitExceeded(what: what, offset: pickle.cursor.range.lowerBound, limit: limit)
  }

  private mutating func searchDictionary(_ position: UInt32, path: [String]) throws(FormatError) {
    let flat = pickle.elements(position)
    let values = stride(from: 1, to: flat.count, by: 2)
    guard values.contains(where: { pickle.isTensor(flat[$0]) || flat[$0].nestedPosition != nil }) else { return }
    let before = groups.count
    var group = PickledState.Group(path: path)
    var inner: [(name: String, value: PickleValue)] = []
    var keys = UniqueKeys(pickle: pickle)
    var doubt: String?
    for i in values {
      let (key, value) = (flat[i - 1], flat[i])
      guard case .string(let text) = key else {
        if pickle.isTensor(value), group.unnamedKey == nil { group.unnamedKey = pickle.summary(key) }
        if key.mayEqualAnyString, doubt == nil { doubt = pickle.summary(key) }
        continue
      }
      let name = try keys.add(text, isTensor: pickle.isTensor(value))
      guard pickle.isTensor(value) || text.count <= Self.keyLimit else { continue }
      if value.nestedPosition == nil {
        group.entries.append(PickledState.Entry(name: name, value: value))
      } else {
        inner.append((name, value))
      }
    }
    if group.entries.contains(where: { pickle.isTensor($0.value) }) {
      guard groups.count < Self.groupLimit else { throw tooMany("dictionaries of tensors", Self.groupLimit) }
      groups.append(group)
    }
    for (name, value) in inner { try search(value, path: path + [name], parent: position) }
    if let doubt, groups.count > before { doubts[path] = doubt }
  }
}

/// The keys of a dictionary that are strings. Where two are equal, Python would keep the value of the last.
private struct UniqueKeys {
  let pickle: Pickle
  /// A string that a hostile pickle uses for many keys must not be copied for each of them.
  private var starts: Set<UInt32> = []
  /// Whether the value of each key is a tensor.
  private var areTensors: [String: Bool] = [:]

  init(pickle: Pickle) { self.pickle = pickle }

  /// Adds a key and returns it.
  ///
  /// - Throws: `FormatError` if it is already there, or too long for the name of a tensor.
  mutating func add(_ text: PickleText, isTensor: Bool) throws(FormatError) -> String {
    let isLong = text.count > StateSearch.nameLimit
    guard !isTensor || !isLong else { throw malformed(text, "it has \(text.count) bytes") }
    guard starts.insert(text.start).inserted else { throw malformed(text, "it appears twice") }
    let name = pickle.string(text)
    if let other = areTensors.updateValue(isTensor, forKey: name) {
      guard !isLong else { throw malformed(text, "it appears twice") }
      throw malformed(text, "two \(isTensor && other ? "tensors" : "entries") are named \(name)")
    }
    return name
  }

  private func malformed(_ text: PickleText, _ reason: String) -> FormatError {
    .malformed(field: "dictionary key", offset: pickle.bytes(text).lowerBound, reason: reason)
  }
}

extension Pickle {
  /// Whether a value is a tensor, or would be one if its kind were supported.
  func isTensor(_ value: PickleValue) -> Bool {
    switch value {
    case .tensor: true
    case .opaque(let global): globals[Int(global)].role == .rebuildOther
    default: false
    }
  }
}

extension PickleValue {
  /// The position of a container that is searched: a dictionary, a list or a tuple; `nil` for other values.
  var nestedPosition: UInt32? {
    switch self {
    case .dictionary(let position), .list(let position), .tuple(let position): position
    default: nil
    }
  }
}
