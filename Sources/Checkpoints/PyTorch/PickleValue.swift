import Files
import Tensors

/// The representation of a Python object. Containers and larger objects are stored in the tables of `Pickle` and
/// referred to by position. Values are therefore small, references may be shared or cyclic, and no recursion is needed
/// to build deeply nested objects.
enum PickleValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case int(Int)
  /// An integer beyond 64 bits: its two's complement bytes, least significant first, or its decimal digits.
  case bigInteger(PickleText)
  case float(Double)
  case string(PickleText)
  /// Bytes, and strings of Python 2 that are not UTF-8, as they are in the file.
  case bytes(PickleText)
  /// A string of protocol 0 with escapes that are not translated, so that it may equal any other string.
  case escaped(PickleText, isUnicode: Bool)
  /// Positions in `Pickle.containers`. A dictionary's keys and values alternate.
  case tuple(UInt32)
  case list(UInt32)
  case set(UInt32)
  case dictionary(UInt32)
  /// Positions in `Pickle.globals`. An opaque value refers to the class or function that would create it.
  case global(UInt32)
  case opaque(UInt32)
  /// A position in `Pickle.objects`: an opaque value of a pickle of plain values, with the arguments of its call.
  case object(UInt32)
  /// A position in `Pickle.storages`.
  case storage(UInt32)
  /// A position in `Pickle.tensors`.
  case tensor(UInt32)
}

extension PickleValue {
  /// Whether a key may equal any string in Python: one whose escapes are not translated, or an object, such as a
  /// string of NumPy.
  var mayEqualAnyString: Bool {
    switch self {
    case .escaped, .opaque, .object: true
    default: false
    }
  }
}

/// The position of a string or of bytes, from the start of the pickle.
struct PickleText: Sendable, Equatable {
  var start: UInt32
  var count: UInt32
}

/// A class or function that the pickle refers to by name.
struct PickleGlobal: Sendable {
  var module: PickleText
  var name: PickleText
  var role: GlobalRole
}

/// An object that Python would make by a call.
struct PickledObject: Sendable {
  /// The position in the file of the last opcode that made or changed it.
  var offset: Int
  /// The position in `Pickle.globals` of the class or function.
  var global: UInt32
  /// The position of a tuple in `Pickle.containers`.
  var arguments: UInt32
  /// What `__setstate__` would get.
  var state: PickleValue?
  /// Whether elements were set or added, which are not kept.
  var hasElements = false
}

/// A storage that tensors of the pickle refer to.
struct StorageReference: Sendable {
  enum Location: Sendable, Equatable {
    /// The storage's key, from which the reader of the format finds the bytes.
    case key(PickleText)
    /// The position of the bytes in the file.
    case offset(Int)
  }

  var location: Location
  var type: StorageType
  /// The number of elements of the whole storage.
  var elementCount: Int
  /// The part of the storage that this reference stands for, in elements.
  var view: Range<Int>
  /// The name of that part in a legacy file; `nil` for the whole storage.
  var viewKey: PickleText?
  /// Whether the storage was on PyTorch's device `meta`, where storages have no contents.
  var isMeta = false
  /// The position of the reference in the file.
  var offset: Int

  /// The size of the whole storage in bytes; `nil` if it overflows.
  var byteCount: Int? {
    let (bytes, overflow) = elementCount.multipliedReportingOverflow(by: type.elementSize)
    return overflow ? nil : bytes
  }
}

/// The type of a storage's elements.
struct StorageType: Sendable, Equatable {
  /// The name of the Python class.
  var name: String
  /// `nil` if no `ElementType` stands for the elements. The elements of untyped storages are bytes.
  var elementType: ElementType?
  /// The size of an element in bytes.
  var elementSize: Int
}

/// The arguments of a tensor. Only their types were checked.
struct TensorReference: Sendable {
  /// The position in `Pickle.storages`.
  var storage: UInt32
  /// The element type that `dtype` stands for, if there is a `dtype` and an `ElementType` for it.
  var elementType: ElementType?
  /// The position in `Pickle.globals` of a dtype that overrides the storage's.
  var dtype: UInt32?
  /// The position of the first element in the storage's view, in elements.
  var start: Int
  /// Positions of tuples in `Pickle.containers`.
  var shape: UInt32
  var strides: UInt32
  /// The position in the file at which the tensor is created.
  var offset: Int
  /// How the tensor's values differ from those in the storage; `nil` where they do not.
  var alteration: String?
}

/// An unpickled object with the tables that its values refer to.
struct Pickle: Sendable {
  /// A cursor whose range starts with the pickle.
  var cursor: ByteCursor
  var root = PickleValue.none
  /// Always holds the empty tuple at position 0.
  var containers: [[PickleValue]] = [[]]
  var globals: [PickleGlobal] = []
  var objects: [PickledObject] = []
  var storages: [StorageReference] = []
  var tensors: [TensorReference] = []

  /// The bytes that texts of a pickle may have where each counts as often as it is referred to.
  static func textLimit(_ byteCount: Int) -> Int { (1 << 20) + 4 * byteCount }

  func bytes(_ text: PickleText) -> Range<Int> {
    let start = cursor.range.lowerBound + Int(text.start)
    return start..<start + Int(text.count)
  }

  /// The text of a string, which was found to be UTF-8 when it was read.
  func string(_ text: PickleText) -> String { cursor.text(in: bytes(text)) ?? "" }

  /// Whether a value is a certain string. Longer texts are not read.
  func isString(_ value: PickleValue, _ expected: String) -> Bool {
    guard case .string(let text) = value, Int(text.count) == expected.utf8.count else { return false }
    return string(text) == expected
  }

  func elements(_ container: UInt32) -> [PickleValue] { containers[Int(container)] }

  /// `module.name`
  func name(ofGlobal position: UInt32) -> String {
    let global = globals[Int(position)]
    return "\(string(global.module)).\(string(global.name))"
  }

  /// The names of classes and functions that do not belong to Python, NumPy or PyTorch: each once, in the order of the
  /// file, and at most `limit`.
  func foreignNames(limit: Int) -> [String] {
    var names: [String] = []
    var seen: Set<String> = []
    for (position, global) in globals.enumerated() where global.role == .foreign {
      let name = name(ofGlobal: UInt32(position))
      if seen.insert(name).inserted { names.append(name) }
      if names.count == limit { break }
    }
    return names
  }

  /// A short description of a value, for messages.
  func summary(_ value: PickleValue) -> String {
    switch value {
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let value): "the integer \(value)"
    case .bigInteger: "a big integer"
    case .float(let value): "the number \(value)"
    case .bytes(let text): "\(text.count) bytes"
    case .escaped: "a string with escapes"
    case .string(let text): text.count <= 60 ? "the string \"\(string(text))\"" : "a string of \(text.count) bytes"
    case .tuple(let position): "a tuple of \(elements(position).count)"
    case .list(let position): "a list of \(elements(position).count)"
    case .set(let position): "a set of \(elements(position).count)"
    case .dictionary(let position): "a dictionary of \(elements(position).count / 2)"
    case .global(let position): "the Python object \(name(ofGlobal: position))"
    case .opaque(let position): "an object made by \(name(ofGlobal: position))"
    case .object(let position): "an object made by \(name(ofGlobal: objects[Int(position)].global))"
    case .storage: "a storage"
    case .tensor: "a tensor"
    }
  }
}
