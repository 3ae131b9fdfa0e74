import Graphs
import Tensors

/// The tensors of a checkpoint from which a graph is built. It records which tensors were taken and which were missing,
/// so that both missing and unused tensors can be reported at the end.
package struct StateDictionary {
  private let tensors: [String: Tensor]
  private let order: [String]
  /// The names of `unreadable` that need not be tensors.
  private let doubtful: Set<String>
  /// For each tensor in the file that cannot be read, the reason.
  private let unreadable: [String: String]
  private var taken: Set<String> = []
  private var missing: [String] = []
  private var problem: ImportError?

  /// Creates a dictionary of named tensors; of several with one name, it keeps the first.
  ///
  /// - Parameters:
  ///   - tensors: in the checkpoint's order.
  ///   - unreadable: for each tensor in the file that cannot be read, the reason.
  ///   - doubtful: the names of `unreadable` that may be of something else than a tensor. The others are listed after
  ///     the tensors, so that none is left out as if the file did not have it.
  package init(
    _ tensors: [(name: String, tensor: Tensor)], unreadable: [String: String] = [:], doubtful: Set<String> = []
  ) {
    let readable = Set(tensors.map(\.name))
    self.tensors = Dictionary(tensors.map { ($0.name, $0.tensor) }, uniquingKeysWith: { first, _ in first })
    let others = unreadable.keys.filter { !doubtful.contains($0) && !readable.contains($0) }
    order = tensors.map(\.name) + others.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    (self.unreadable, self.doubtful) = (unreadable, doubtful)
  }

  /// A dictionary of the same tensors with some modules renamed.
  ///
  /// - Parameters:
  ///   - prefix: the key prefix of the modules to rename.
  ///   - aliases: new names of modules by their current ones.
  func renamingModules(below prefix: String, _ aliases: [String: String]) -> StateDictionary {
    let renamed = { (name: String) in Self.renamed(name, below: prefix, aliases) }
    return StateDictionary(
      order.compactMap { name in tensors[name].map { (renamed(name), $0) } },
      unreadable: Dictionary(unreadable.map { (renamed($0.key), $0.value) }, uniquingKeysWith: { first, _ in first }),
      doubtful: Set(doubtful.map(renamed)))
  }

  /// The name of a tensor after `renamingModules`.
  static func renamed(_ name: String, below prefix: String, _ aliases: [String: String]) -> String {
    let path = name.dropFirst(prefix.count)
    let module = String(path.prefix { $0 != "." })
    guard name.hasPrefix(prefix), let new = aliases[module] else { return name }
    return prefix + new + path.dropFirst(module.count)
  }

  /// The names of the tensors, in the checkpoint's order, and of those that cannot be read.
  package var names: [String] { order }
  /// Whether there is a readable tensor of this name.
  package func contains(_ name: String) -> Bool { tensors[name] != nil }
  /// The shape of a tensor; `nil` if there is none of this name.
  package func shape(_ name: String) -> Shape? { tensors[name]?.shape }
  func elementType(_ name: String) -> ElementType? { tensors[name]?.elementType }

  /// The names of the tensors that were not taken, in the checkpoint's order.
  var untaken: [String] { order.filter { !taken.contains($0) } }

  /// Takes a tensor of the given rank, as float32. Where it is missing or does not fit, the failure is kept for
  /// `finish` and a placeholder is returned, so that an error can list all missing tensors rather than only the first.
  mutating func take(_ name: String, rank: Int) -> Tensor {
    guard let tensor = tensors[name] else {
      if let reason = unreadable[name] {
        taken.insert(name)
        note(.unreadable(name: name, reason: reason))
      } else {
        missing.append(name)
      }
      return Self.placeholder(rank: rank)
    }
    taken.insert(name)
    guard tensor.shape.rank == rank, tensor.elementCount > 0 else {
      note(.badTensor(name: name, problem: "has shape \(tensor.shape), but \(rank) axes are expected"))
      return Self.placeholder(rank: rank)
    }
    guard tensor.elementType.isFloatingPoint else {
      note(.badTensor(name: name, problem: "holds \(tensor.elementType), but weights are floating-point numbers"))
      return Self.placeholder(rank: rank)
    }
    if tensor.elementType == .float32 { return tensor }
    defer { tensor.releasePages() }
    return tensor.asFloat32() ?? Self.placeholder(rank: rank)
  }

  /// Takes a tensor as `take` does; `nil` if the file does not have it.
  mutating func takeIfPresent(_ name: String, rank: Int) -> Tensor? {
    contains(name) || unreadable[name] != nil ? take(name, rank: rank) : nil
  }

  /// Takes a small tensor of any numeric type and shape, as numbers.
  ///
  /// - Parameter count: the number of elements that it must have.
  /// - Returns: `nil` where there is no such tensor, it has another number of elements, or it cannot be read, which is
  ///   kept for `finish`.
  mutating func takeNumbers(_ name: String, count: Int) -> [Double]? {
    if tensors[name] == nil, let reason = unreadable[name] {
      taken.insert(name)
      note(.unreadable(name: name, reason: reason))
    }
    guard let tensor = tensors[name], tensor.elementCount == count else { return nil }
    taken.insert(name)
    return tensor.numbers
  }

  /// Marks a tensor that the graph does not need as taken, if it exists.
  mutating func skip(_ name: String) {
    if contains(name) || unreadable[name] != nil { taken.insert(name) }
  }

  /// Records a problem for `finish`, which throws the first.
  mutating func note(_ error: ImportError) {
    if problem == nil { problem = error }
  }

  private static func placeholder(rank: Int) -> Tensor {
    Tensor([Float(1)], shape: Shape([Int](repeating: 1, count: rank)))
  }

  /// Ends the building of the graph.
  ///
  /// - Throws: `ImportError.unreadable`, `.missing` or `.badTensor` if a tensor was missing or did not fit.
  func finish(architecture: String) throws(ImportError) {
    if let problem, case .unreadable = problem { throw problem }
    if !missing.isEmpty { throw .missing(architecture: architecture, names: missing) }
    if let problem { throw problem }
  }
}

extension Tensor {
  /// The elements as numbers; `nil` for Booleans.
  fileprivate var numbers: [Double]? {
    switch elementType {
    case .float64: elements(as: Double.self)
    case .int64: elements(as: Int64.self).map { Double($0) }
    case .int32: elements(as: Int32.self).map { Double($0) }
    case .int16: elements(as: Int16.self).map { Double($0) }
    case .int8: elements(as: Int8.self).map { Double($0) }
    case .uint64: elements(as: UInt64.self).map { Double($0) }
    case .uint32: elements(as: UInt32.self).map { Double($0) }
    case .uint16: elements(as: UInt16.self).map { Double($0) }
    case .uint8: elements(as: UInt8.self).map { Double($0) }
    default: asFloat32()?.elements(as: Float.self).map { Double($0) }
    }
  }
}
