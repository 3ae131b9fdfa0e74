import Tensors

/// Calls, which Python would execute and this machine only represents: for the few callables that tensors consist of,
/// the result is the corresponding value; for any other, it is an opaque value that refers to the callable.
extension PickleMachine {
  mutating func executeObject(_ opcode: PickleOpcode) throws(FormatError) {
    switch opcode {
    case .binPersistentID: stack.append(try persistentObject(try pop()))
    case .reduce:
      let arguments = try pop()
      stack.append(try reduce(try pop(), arguments))
    case .newObject:
      let arguments = try pop()
      stack.append(try newObject(try pop(), arguments))
    case .newObjectEx:
      let named = try pop()
      guard case .dictionary = named else { throw malformed("NEWOBJ_EX", "it takes a dictionary of arguments") }
      let arguments = try pop()
      stack.append(try newObject(try pop(), arguments))
    case .object:
      let values = try popToMark()
      guard let type = values.first else { throw malformed("OBJ", "there is no class on the stack") }
      stack.append(try instance(of: type, Array(values.dropFirst())))
    case .inst:
      let module = try nameLine("INST")
      let type = try newGlobal(module, try nameLine("INST"))
      stack.append(try instance(of: .global(type), try popToMark()))
    default:  // BUILD
      let state = try pop()
      try build(state)
    }
  }

  /// The result of OBJ and INST, which call the class only if there are arguments.
  private mutating func instance(
    of type: PickleValue, _ arguments: [PickleValue]
  ) throws(FormatError) -> PickleValue {
    guard !arguments.isEmpty else { return try newObject(type, .tuple(0)) }
    return try reduce(type, .tuple(try newContainer(arguments)))
  }

  private mutating func reduce(_ callee: PickleValue, _ arguments: PickleValue) throws(FormatError) -> PickleValue {
    guard case .tuple(let position) = arguments else {
      throw malformed("REDUCE", "the arguments are \(pickle.summary(arguments)), not a tuple")
    }
    switch callee {
    case .global(let callable):
      let result = try call(callable, pickle.elements(position), nested: false)
      return result == .opaque(callable) ? try object(callable, position) : result
    case .opaque, .object: return callee
    default: throw malformed("REDUCE", "it calls \(pickle.summary(callee))")
    }
  }

  private mutating func call(
    _ callable: UInt32, _ arguments: [PickleValue], nested: Bool
  ) throws(FormatError) -> PickleValue {
    let global = pickle.globals[Int(callable)]
    switch global.role {
    case .dictionary, .counter, .defaultDictionary: return try dictionary(callable, arguments)
    case .encode: return bytes(of: arguments) ?? PickleValue.opaque(callable)
    case .size:
      guard arguments.count == 1, case .tuple = arguments[0] else {
        throw malformed("REDUCE", "torch.Size takes a tuple")
      }
      return arguments[0]
    case .rebuildTensor: return try tensor(arguments, count: 4...4)
    case .rebuildTensorV2: return try tensor(arguments, count: 6...7)
    case .rebuildTensorV3: return try typedTensor(arguments)
    case .rebuildParameter:
      switch arguments.first {
      case .tensor, .opaque:
        // The state of _rebuild_parameter_with_state.
        if arguments.count > 3 { noteState(arguments[3], of: arguments[0]) }
        return arguments[0]
      default: throw malformed("REDUCE", "torch._utils._rebuild_parameter takes a tensor")
      }
    case .parameter:
      guard case .tensor? = arguments.first else { return .opaque(callable) }
      return arguments[0]
    case .rebuildFromType:
      guard !nested, arguments.count >= 3, case .global(let inner) = arguments[0],
        case .tuple(let position) = arguments[2]
      else { throw malformed("REDUCE", "torch._tensor._rebuild_from_type takes a function, a type and its arguments") }
      let result = try call(inner, pickle.elements(position), nested: true)
      if arguments.count > 3 { noteState(arguments[3], of: result) }
      return result
    case .rebuildOther, .data, .foreign, .storage, .dtype: return .opaque(callable)
    }
  }

  /// A dictionary with the entries that its constructor takes: `OrderedDict([(key, value), …])`,
  /// `Counter({key: value, …})`, `defaultdict(factory, {key: value, …})`.
  private mutating func dictionary(
    _ callable: UInt32, _ arguments: [PickleValue]
  ) throws(FormatError) -> PickleValue {
    let role = pickle.globals[Int(callable)].role
    let sources = role == .defaultDictionary ? arguments.dropFirst() : arguments[...]
    switch (sources.count, sources.first) {
    case (0, _): return .dictionary(try newContainer([]))
    case (1, .dictionary(let position)?): return .dictionary(try newContainer(pickle.elements(position)))
    case (1, .list(let position)?) where role != .counter, (1, .tuple(let position)?) where role != .counter:
      return .dictionary(try newContainer(try flattened(pickle.elements(position), callable)))
    default: throw unreadableEntries(callable)
    }
  }

  private func unreadableEntries(_ callable: UInt32) -> FormatError {
    let pairs = pickle.globals[Int(callable)].role == .counter ? "" : " or a list of pairs"
    return malformed("REDUCE", "the entries of \(pickle.name(ofGlobal: callable)) are not a dictionary\(pairs)")
  }

  private func flattened(_ pairs: [PickleValue], _ callable: UInt32) throws(FormatError) -> [PickleValue] {
    var flat: [PickleValue] = []
    for pair in pairs {
      switch pair {
      case .tuple(let position), .list(let position):
        let entry = pickle.elements(position)
        guard entry.count == 2 else { throw unreadableEntries(callable) }
        flat += entry
      default: throw unreadableEntries(callable)
      }
    }
    return flat
  }

  /// The bytes that are written as (text, "latin1"), if they are ASCII and as short as a key. Pickles of plain values
  /// keep the arguments.
  private func bytes(of arguments: [PickleValue]) -> PickleValue? {
    if case .plain = style { return nil }
    guard arguments.count == 2, case .string(let text) = arguments[0], text.count <= StateSearch.keyLimit,
      pickle.isString(arguments[1], "latin1"),
      cursor.storage.bytes[pickle.bytes(text)].allSatisfy({ $0 < 0x80 })
    else { return nil }
    return .bytes(text)
  }

  /// (storage, offset, size, stride, requires_grad, hooks, metadata)
  private mutating func tensor(
    _ arguments: [PickleValue], count: ClosedRange<Int>
  ) throws(FormatError) -> PickleValue {
    guard count.contains(arguments.count), case .storage(let storage) = arguments[0],
      case .int(let start) = arguments[1],
      case .tuple(let shape) = arguments[2], case .tuple(let strides) = arguments[3]
    else {
      throw malformed("REDUCE", "a tensor takes a storage, an offset, a size and strides")
    }
    return append(
      TensorReference(
        storage: storage, start: start, shape: shape, strides: strides, offset: opcodeOffset,
        alteration: arguments.count > 6 ? alteration(arguments[6]) : nil))
  }

  /// What the metadata of a tensor do to its values: a negative view has the storage of another tensor, and the bit
  /// `neg` (`set_tensor_metadata` in torch/_utils.py).
  private func alteration(_ metadata: PickleValue) -> String? {
    switch metadata {
    case .none: return nil
    case .dictionary(let position):
      let flat = pickle.elements(position)
      // Many tensors may have the same metadata.
      guard flat.count <= 32 else { return "its metadata are \(pickle.summary(metadata))" }
      let isPlain = stride(from: 1, to: flat.count, by: 2).allSatisfy { flat[$0] == .bool(false) }
      return isPlain ? nil : "it is a negative view or another function of what is stored"
    default: return "its metadata are \(pickle.summary(metadata))"
    }
  }

  /// Notes where the state of a tensor, whose members become attributes, may replace its values (`_set_obj_state` in
  /// torch/_utils.py): a dictionary, or a pair of the dictionary and the slots.
  private mutating func noteState(_ state: PickleValue, of value: PickleValue) {
    guard case .tensor(let tensor) = value else { return }
    var parts = [state]
    if case .tuple(let position) = state, pickle.elements(position).count == 2 { parts = pickle.elements(position) }
    for part in parts {
      let found: String?
      switch part {
      case .none: found = nil
      case .dictionary(let position): found = alteration(byState: position)
      default: found = "its state is \(pickle.summary(state))"
      }
      if let found { pickle.tensors[Int(tensor)].alteration = found }
    }
  }

  /// What a tensor's state does to the values: it may set `data`, or `real`, which of a real tensor is the tensor
  /// itself.
  private mutating func alteration(byState position: UInt32) -> String? {
    let flat = pickle.elements(position)
    var (count, found) = examinedStates[position] ?? (0, nil)
    for index in stride(from: count, to: flat.count, by: 2) where found == nil {
      switch flat[index] {
      case .string(let text):
        guard text.count == 4 else { continue }
        let key = pickle.string(text)
        if key == "data" || key == "real" { found = "its values are replaced by an attribute '\(key)'" }
      case let key where key.mayEqualAnyString: found = "its state has \(pickle.summary(key)) as a key"
      default: continue
      }
    }
    count = flat.count
    examinedStates[position] = (count, found)
    return found
  }

  /// (storage, offset, size, stride, requires_grad, hooks, dtype, metadata)
  private mutating func typedTensor(_ arguments: [PickleValue]) throws(FormatError) -> PickleValue {
    guard (7...8).contains(arguments.count), case .storage(let storage) = arguments[0],
      case .int(let start) = arguments[1], case .tuple(let shape) = arguments[2],
      case .tuple(let strides) = arguments[3],
      case .global(let dtype) = arguments[6], case .dtype(let type) = pickle.globals[Int(dtype)].role
    else {
      throw malformed("REDUCE", "a tensor takes a storage, an offset, a size, strides and a dtype")
    }
    return append(
      TensorReference(
        storage: storage, elementType: type, dtype: dtype, start: start, shape: shape, strides: strides,
        offset: opcodeOffset, alteration: arguments.count > 7 ? alteration(arguments[7]) : nil))
  }

  private mutating func append(_ tensor: TensorReference) -> PickleValue {
    pickle.tensors.append(tensor)
    return .tensor(UInt32(pickle.tensors.count - 1))
  }

  private mutating func newObject(_ type: PickleValue, _ arguments: PickleValue) throws(FormatError) -> PickleValue {
    guard case .tuple(let tuple) = arguments else {
      throw malformed("NEWOBJ", "the arguments are \(pickle.summary(arguments)), not a tuple")
    }
    switch type {
    case .opaque, .object: return type
    case .global(let position):
      switch pickle.globals[Int(position)].role {
      // Only __init__, which is not called, would look at the arguments.
      case .dictionary, .counter, .defaultDictionary: return .dictionary(try newContainer([]))
      case .parameter:
        guard case .tensor(let tensor)? = pickle.elements(tuple).first else { return try object(position, tuple) }
        return .tensor(tensor)
      default: return try object(position, tuple)
      }
    default: throw malformed("NEWOBJ", "it takes a class, not \(pickle.summary(type))")
    }
  }

  /// An opaque value, which a pickle of plain values keeps with its arguments.
  private mutating func object(_ global: UInt32, _ arguments: UInt32) throws(FormatError) -> PickleValue {
    guard case .plain = style else { return .opaque(global) }
    guard pickle.objects.count < Self.globalLimit else {
      throw .limitExceeded(what: "number of pickled objects", offset: opcodeOffset, limit: Self.globalLimit)
    }
    pickle.objects.append(PickledObject(offset: opcodeOffset, global: global, arguments: arguments))
    return .object(UInt32(pickle.objects.count - 1))
  }

  /// Sets attributes. An OrderedDict may have some (`_metadata`: module versions), which do not affect the values.
  private mutating func build(_ state: PickleValue) throws(FormatError) {
    switch stack.last {
    case .dictionary, .opaque: break
    case .object(let position)?:
      pickle.objects[Int(position)].state = state
      pickle.objects[Int(position)].offset = opcodeOffset
    case let target?: throw malformed("BUILD", "its target is \(pickle.summary(target))")
    case nil: throw malformed("BUILD", "the stack is empty")
    }
  }

  // MARK: - Persistent ids

  private mutating func persistentObject(_ id: PickleValue) throws(FormatError) -> PickleValue {
    switch (style, id) {
    case (.tar(let tensors), .string(let text)):
      guard text.count <= 20, let key = Int(pickle.string(text)), let tensor = tensors[key] else { break }
      return .tensor(tensor)
    case (.tar(let tensors), .int(let key)):
      guard let tensor = tensors[key] else { break }
      return .tensor(tensor)
    case (.legacy, .tuple(let position)): return try storage(pickle.elements(position), fields: 6)
    case (.zip, .tuple(let position)): return try storage(pickle.elements(position), fields: 5)
    default: break
    }
    throw malformed("BINPERSID", "\(pickle.summary(id)) is not a storage id of this format")
  }

  /// The maximum length of a storage's key in bytes. PyTorch's keys are decimal numbers.
  private static let keyLimit = 64

  private mutating func storage(_ id: [PickleValue], fields: Int) throws(FormatError) -> PickleValue {
    guard case .string(let kind)? = id.first, kind.count <= 16 else {
      throw malformed("BINPERSID", "the id does not start with a string")
    }
    // In the legacy format, an id may also stand for a class with its source code: (class, file, source).
    if pickle.string(kind) == "module", id.count > 1, case .global = id[1] { return id[1] }
    guard pickle.string(kind) == "storage", id.count == fields, case .global(let global) = id[1],
      case .storage(let type) = pickle.globals[Int(global)].role, case .string(let key) = id[2],
      key.count <= Self.keyLimit, case .string = id[3], case .int(let count) = id[4], count >= 0
    else { throw malformed("BINPERSID", "this is not a storage of \(fields) fields") }
    var reference = StorageReference(
      location: .key(key), type: type, elementCount: count, view: 0..<count, offset: opcodeOffset)
    reference.isMeta = pickle.isString(id[3], "meta")
    if fields == 6, case .tuple(let position) = id[5] {
      let part = try view(pickle.elements(position), of: count)
      reference.viewKey = part.key
      reference.view = part.range
    } else if fields == 6, id[5] != .none {
      throw malformed("BINPERSID", "the view is \(pickle.summary(id[5]))")
    }
    pickle.storages.append(reference)
    return .storage(UInt32(pickle.storages.count - 1))
  }

  /// (view key, offset, size), in elements
  private func view(
    _ fields: [PickleValue], of count: Int
  ) throws(FormatError) -> (key: PickleText, range: Range<Int>) {
    guard fields.count == 3, case .string(let key) = fields[0], key.count <= Self.keyLimit,
      case .int(let start) = fields[1], case .int(let size) = fields[2]
    else { throw malformed("BINPERSID", "a view has a key, an offset and a size") }
    let (end, overflow) = start.addingReportingOverflow(size)
    guard start >= 0, size >= 0, !overflow, end <= count else {
      throw malformed("BINPERSID", "the view of \(size) elements at \(start) exceeds its storage of \(count)")
    }
    return (key, start..<end)
  }
}
