import Graphs
import Tensors

/// The tensors of a checkpoint on their way into a graph: every tensor is taken once, and what was requested in vain and
/// what nobody took is reported at the end.
package struct StateDictionary {
  private let tensors: [String: Tensor]
  private let order: [String]
  /// Why a tensor that the file has is not among the tensors.
  private let unreadable: [String: String]
  private var taken: Set<String> = []
  private var missing: [String] = []
  private var problem: ImportError?

  /// - Parameters:
  ///   - tensors: in the checkpoint's order.
  ///   - unreadable: names of tensors that the file has and that cannot be read, and why.
  package init(_ tensors: [(name: String, tensor: Tensor)], unreadable: [String: String] = [:]) {
    self.tensors = Dictionary(tensors.map { ($0.name, $0.tensor) }, uniquingKeysWith: { first, _ in first })
    order = tensors.map(\.name)
    self.unreadable = unreadable
  }

  /// The same tensors under other names.
  ///
  /// - Parameters:
  ///   - prefix: what stands before the names of the modules that are renamed.
  ///   - aliases: new names of modules by their present ones.
  func renamingModules(below prefix: String, _ aliases: [String: String]) -> StateDictionary {
    let renamed = { (name: String) in
      let rest = name.dropFirst(prefix.count)
      let module = String(rest.prefix { $0 != "." })
      guard name.hasPrefix(prefix), let new = aliases[module] else { return name }
      return prefix + new + rest.dropFirst(module.count)
    }
    return StateDictionary(
      order.compactMap { name in tensors[name].map { (renamed(name), $0) } },
      unreadable: Dictionary(unreadable.map { (renamed($0.key), $0.value) }, uniquingKeysWith: { first, _ in first }))
  }

  package var names: [String] { order }
  package func contains(_ name: String) -> Bool { tensors[name] != nil }
  package func shape(_ name: String) -> Shape? { tensors[name]?.shape }
  func elementType(_ name: String) -> ElementType? { tensors[name]?.elementType }

  /// The names of tensors that nobody took, in the checkpoint's order.
  var untaken: [String] { order.filter { !taken.contains($0) } }

  /// A tensor of a rank. Where it is missing or unfit, the failure is kept for `finish` and a stand-in returned, so that
  /// an error can list all that is missing rather than the first.
  mutating func take(_ name: String, rank: Int) -> Tensor {
    guard let tensor = tensors[name] else {
      if let reason = unreadable[name] {
        note(.unreadable(name: name, reason: reason))
      } else {
        missing.append(name)
      }
      return Self.standIn(rank: rank)
    }
    taken.insert(name)
    guard tensor.shape.rank == rank, tensor.elementCount > 0 else {
      note(.badTensor(name: name, problem: "has shape \(tensor.shape), but \(rank) axes are expected"))
      return Self.standIn(rank: rank)
    }
    guard tensor.elementType.isFloatingPoint else {
      note(.badTensor(name: name, problem: "holds \(tensor.elementType), but weights are floating-point numbers"))
      return Self.standIn(rank: rank)
    }
    if tensor.elementType == .float32 { return tensor }
    defer { tensor.releasePages() }
    return tensor.asFloat32() ?? Self.standIn(rank: rank)
  }

  mutating func takeIfPresent(_ name: String, rank: Int) -> Tensor? {
    contains(name) || unreadable[name] != nil ? take(name, rank: rank) : nil
  }

  /// The numbers of a small tensor of any numeric type and shape.
  ///
  /// - Parameter count: how many there must be.
  /// - Returns: `nil` where there is no such tensor, or another number of elements.
  mutating func takeNumbers(_ name: String, count: Int) -> [Double]? {
    guard let tensor = tensors[name], tensor.elementCount == count else { return nil }
    taken.insert(name)
    return tensor.numbers
  }

  /// Leaves a tensor out that carries nothing for the graph, if it is there.
  mutating func skip(_ name: String) {
    if contains(name) { taken.insert(name) }
  }

  /// Keeps the first problem for `finish`.
  mutating func note(_ error: ImportError) {
    if problem == nil { problem = error }
  }

  private static func standIn(rank: Int) -> Tensor {
    Tensor([Float(1)], shape: Shape([Int](repeating: 1, count: rank)))
  }

  /// - Throws: `ImportError` if anything was missing or unfit.
  func finish(architecture: String) throws(ImportError) {
    if let problem, case .unreadable = problem { throw problem }
    if !missing.isEmpty { throw .missing(architecture: architecture, names: missing) }
    if let problem { throw problem }
  }
}

extension Tensor {
  /// The elements as numbers; `nil` for truth values.
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
