import Files
import Tensors

/// Reads PyTorch's format before 0.1.10: a tar file with members for the storages, the tensors and a pickle that refers
/// to them (`legacy_load` in torch/serialization.py).
struct PyTorchTar {
  private let file: MappedFile
  private let archive: TarArchive
  private var tables: Pickle
  /// Positions in the tables, by the numbers of storages and tensors in the file.
  private var storages: [Int: UInt32] = [:]
  private var tensors: [Int: UInt32] = [:]

  static func read(_ file: MappedFile) throws(FormatError) -> PickledState {
    var reader = try PyTorchTar(file)
    try reader.readStorages()
    try reader.readTensors()
    var cursor = try reader.member("pickle")
    let pickle = try PickleMachine.read(&cursor, style: .tar(reader.tensors), prepared: reader.tables)
    try expectEnd(cursor, "pickle")
    let resolver = TensorResolver(pickle, file: file) { (reference) throws(FormatError) in
      guard case .offset(let start) = reference.location, let count = reference.byteCount else { return 0..<0 }
      return start..<start + count
    }
    return try PickledState(resolver)
  }

  private init(_ file: MappedFile) throws(FormatError) {
    self.file = file
    archive = try TarArchive(file)
    tables = Pickle(cursor: ByteCursor(file.storage))
  }

  private func member(_ name: String) throws(FormatError) -> ByteCursor {
    guard let bytes = archive.members[exactly: name] else {
      let names = archive.members.keys.sorted().prefix(3).joined(separator: ", ")
      throw .wrongKind(
        looksLike: "a tar archive of other files (\(names)…)", advice: "if a checkpoint is inside, extract it first")
    }
    return ByteCursor(file.storage, range: bytes)
  }

  private static func expectEnd(_ cursor: ByteCursor, _ member: String) throws(FormatError) {
    guard cursor.isAtEnd else {
      throw .malformed(
        field: "tar member \(member)", offset: cursor.offset, reason: "\(cursor.remaining) more bytes follow")
    }
  }

  private static func readCount(_ cursor: inout ByteCursor, _ name: String) throws(FormatError) -> Int {
    let offset = cursor.offset
    let value = try PickleMachine.read(&cursor, style: .plain)
    guard case .int(let count) = value.root, count >= 0 else {
      throw .malformed(field: "number of \(name)", offset: offset, reason: "it is \(value.summary(value.root))")
    }
    return count
  }

  private static func fields(_ pickle: Pickle, of value: PickleValue) -> [PickleValue] {
    switch value {
    case .tuple(let position), .list(let position): pickle.elements(position)
    default: []
    }
  }

  /// Reads a count; for each storage a pickled (key, location, type), an int64 count and the elements; then a pickled
  /// list of views (key, root key, offset, count).
  private mutating func readStorages() throws(FormatError) {
    var cursor = try member("storages")
    for _ in 0..<(try Self.readCount(&cursor, "storages")) {
      let offset = cursor.offset
      let pickle = try PickleMachine.read(&cursor, style: .plain)
      let id = Self.fields(pickle, of: pickle.root)
      guard id.count == 3, case .int(let key) = id[0], case .global(let global) = id[2],
        case .storage(let type) = pickle.globals[Int(global)].role
      else {
        throw .malformed(field: "storage", offset: offset, reason: "it is \(pickle.summary(pickle.root))")
      }
      let count = try cursor.count("element count of storage \(key)")
      var storage = StorageReference(
        location: .offset(cursor.offset), type: type, elementCount: count, view: 0..<count, offset: offset)
      storage.isMeta = pickle.isString(id[1], "meta")
      storage.location = .offset(try cursor.pass(storage.byteCount ?? -1, "bytes of storage \(key)").lowerBound)
      try add(storage, key)
    }
    let offset = cursor.offset
    let views = try PickleMachine.read(&cursor, style: .plain)
    for view in Self.fields(views, of: views.root) { try addView(Self.fields(views, of: view), at: offset) }
    try Self.expectEnd(cursor, "storages")
  }

  private mutating func add(_ storage: StorageReference, _ key: Int) throws(FormatError) {
    guard storages.updateValue(UInt32(tables.storages.count), forKey: key) == nil else {
      throw .malformed(field: "storage", offset: storage.offset, reason: "two storages have the number \(key)")
    }
    tables.storages.append(storage)
  }

  private mutating func addView(_ fields: [PickleValue], at offset: Int) throws(FormatError) {
    guard fields.count == 4, case .int(let key) = fields[0], case .int(let rootKey) = fields[1],
      case .int(let start) = fields[2], case .int(let count) = fields[3], let root = storages[rootKey]
    else {
      throw .malformed(field: "view of a storage", offset: offset, reason: "it lacks a storage, an offset or a size")
    }
    var view = tables.storages[Int(root)]
    guard start >= 0, count >= 0, start <= view.view.count, count <= view.view.count - start else {
      throw .malformed(field: "view of a storage", offset: offset, reason: "it exceeds its storage")
    }
    view.view = view.view.lowerBound + start..<view.view.lowerBound + start + count
    try add(view, key)
  }

  /// Reads a count, and for each tensor a pickled (key, storage key, type), an int32 rank, 4 bytes of padding, and
  /// int64 sizes, strides and offset.
  private mutating func readTensors() throws(FormatError) {
    var cursor = try member("tensors")
    for _ in 0..<(try Self.readCount(&cursor, "tensors")) {
      let offset = cursor.offset
      let pickle = try PickleMachine.read(&cursor, style: .plain)
      let id = Self.fields(pickle, of: pickle.root)
      guard id.count == 3, case .int(let key) = id[0], case .int(let storageKey) = id[1],
        let storage = storages[storageKey]
      else { throw .malformed(field: "tensor", offset: offset, reason: "it does not refer to a storage") }
      let rank = Int(try cursor.value(Int32.self, "rank of tensor \(key)"))
      guard (0...TensorResolver.rankLimit).contains(rank) else {
        throw .malformed(field: "rank of tensor \(key)", offset: cursor.offset - 4, reason: "it is \(rank)")
      }
      try cursor.pass(4, "padding")
      let sizes = try Self.readIntegers(&cursor, rank, "sizes of tensor \(key)")
      let strides = try Self.readIntegers(&cursor, rank, "strides of tensor \(key)")
      let start = Int(try cursor.value(Int64.self, "offset of tensor \(key)"))
      // PyTorch had no scalars before 0.4, and a tensor without axes was empty.
      let isEmpty = rank == 0 && tables.storages[Int(storage)].view.isEmpty
      tables.containers.append(isEmpty ? [.int(0)] : sizes)
      tables.containers.append(isEmpty ? [.int(1)] : strides)
      let shape = UInt32(tables.containers.count - 2)
      guard tensors.updateValue(UInt32(tables.tensors.count), forKey: key) == nil else {
        throw .malformed(field: "tensor", offset: offset, reason: "two tensors have the number \(key)")
      }
      tables.tensors.append(
        TensorReference(storage: storage, start: start, shape: shape, strides: shape + 1, offset: offset))
    }
    try Self.expectEnd(cursor, "tensors")
  }

  private static func readIntegers(
    _ cursor: inout ByteCursor, _ count: Int, _ field: String
  ) throws(FormatError) -> [PickleValue] {
    var values: [PickleValue] = []
    for _ in 0..<count { values.append(.int(Int(try cursor.value(Int64.self, field)))) }
    return values
  }
}
