import Files
import Tensors

/// A Python object, represented. Containers and everything bigger live in the tables of `Pickle` and are referred to by
/// position, so that values are small, sharing and cycles cost nothing, and depth is no recursion.
enum PickleValue: Sendable, Equatable {
  case none
  case bool(Bool)
  case int(Int)
  /// An integer beyond 64 bits: its two's complement bytes, least significant first, or its decimal digits.
  case bigInteger(PickleText)
  case float(Double)
  case string(PickleText)
  /// Bytes, and texts that are not UTF-8 as they stand in the file.
  case bytes(PickleText)
  /// Positions in `Pickle.containers`. A dictionary's keys and values alternate.
  case tuple(UInt32)
  case list(UInt32)
  case set(UInt32)
  case dictionary(UInt32)
  /// Positions in `Pickle.globals`; an opaque value is named by the class or function that would make it.
  case global(UInt32)
  case opaque(UInt32)
  case storage(UInt32)
  case tensor(UInt32)
}

/// Where a text lies, from the start of its pickle.
struct PickleText: Sendable, Equatable {
  var start: UInt32
  var count: UInt32
}

/// A class or function that the pickle names.
struct PickleGlobal: Sendable {
  var module: PickleText
  var name: PickleText
  var role: GlobalRole
}

/// A storage that tensors of the pickle refer to.
struct StorageReference: Sendable {
  enum Place: Sendable, Equatable {
    /// Named by a key; the format knows where its bytes are.
    case key(PickleText)
    /// At a known offset in the file.
    case offset(Int)
  }

  var place: Place
  var type: StorageType
  /// Of the whole storage.
  var elementCount: Int
  /// The part of it that this reference means, in elements.
  var view: Range<Int>
  /// Where the reference is in the file.
  var offset: Int

  /// Of the whole storage; `nil` where that overflows.
  var byteCount: Int? {
    let (bytes, overflow) = elementCount.multipliedReportingOverflow(by: type.elementSize)
    return overflow ? nil : bytes
  }
}

/// What a storage's elements are.
struct StorageType: Sendable, Equatable {
  /// The Python class.
  var name: String
  /// `nil` for elements that no `ElementType` stands for. The elements of untyped storages are bytes.
  var elementType: ElementType?
  /// In bytes.
  var elementSize: Int
}

/// The arguments of a tensor. Only their kinds have been checked.
struct TensorReference: Sendable {
  var storage: UInt32
  /// For tensors over untyped storages.
  var elementType: ElementType?
  /// The position in `Pickle.globals` of a dtype that overrides the storage's.
  var dtype: UInt32?
  /// Where the first element is, in elements of the storage's view.
  var start: Int
  /// Tuples in `Pickle.containers`.
  var shape: UInt32
  var strides: UInt32
  /// Where the tensor is made, in the file.
  var offset: Int
}

/// An unpickled object with the tables that its values refer to.
struct Pickle: Sendable {
  /// The bytes, from the pickle's first one on.
  var cursor: ByteCursor
  var root = PickleValue.none
  /// Always holds the empty tuple at position 0.
  var containers: [[PickleValue]] = [[]]
  var globals: [PickleGlobal] = []
  var storages: [StorageReference] = []
  var tensors: [TensorReference] = []

  func bytes(_ text: PickleText) -> Range<Int> {
    let start = cursor.range.lowerBound + Int(text.start)
    return start..<start + Int(text.count)
  }

  /// Texts were found to be UTF-8 when they were read.
  func string(_ text: PickleText) -> String { cursor.text(in: bytes(text)) ?? "" }

  func elements(_ container: UInt32) -> [PickleValue] { containers[Int(container)] }

  /// `module.name`
  func name(ofGlobal position: UInt32) -> String {
    let global = globals[Int(position)]
    return "\(string(global.module)).\(string(global.name))"
  }

  /// The names of classes and functions of other modules than Python's, NumPy's and PyTorch's: each once, in the order of
  /// the file, and no more than `limit`.
  func foreignNames(limit: Int) -> [String] {
    var names: [String] = []
    for (position, global) in globals.enumerated() where global.role == .foreign {
      let name = name(ofGlobal: UInt32(position))
      if !names.contains(name) { names.append(name) }
      if names.count == limit { break }
    }
    return names
  }

  /// A few words that say what a value is.
  func summary(_ value: PickleValue) -> String {
    switch value {
    case .none: "None"
    case .bool(let value): value ? "True" : "False"
    case .int(let value): "the integer \(value)"
    case .bigInteger: "a big integer"
    case .float(let value): "the number \(value)"
    case .bytes(let text): "\(text.count) bytes"
    case .string(let text): text.count <= 60 ? "the text \"\(string(text))\"" : "a text of \(text.count) bytes"
    case .tuple(let position): "a tuple of \(elements(position).count)"
    case .list(let position): "a list of \(elements(position).count)"
    case .set(let position): "a set of \(elements(position).count)"
    case .dictionary(let position): "a dictionary of \(elements(position).count / 2)"
    case .global(let position): "the Python object \(name(ofGlobal: position))"
    case .opaque(let position): "an object made by \(name(ofGlobal: position))"
    case .storage: "a storage"
    case .tensor: "a tensor"
    }
  }
}
