import Graphs
import Tensors

/// The tensors of a checkpoint on their way into a graph: every tensor is taken once, and what was asked for in vain and
/// what nobody took is reported at the end.
public struct StateDictionary {
  private let tensors: [String: Tensor]
  private let order: [String]
  private var taken: Set<String> = []
  private var missing: [String] = []
  private var problem: ImportError?

  /// - Parameter tensors: in the checkpoint's order.
  public init(_ tensors: [(name: String, tensor: Tensor)]) {
    self.tensors = Dictionary(tensors.map { ($0.name, $0.tensor) }, uniquingKeysWith: { first, _ in first })
    order = tensors.map(\.name)
  }

  public var names: [String] { order }
  public func contains(_ name: String) -> Bool { tensors[name] != nil }
  public func shape(_ name: String) -> Shape? { tensors[name]?.shape }

  /// Names that carry nothing for inference.
  private static func isTrainingState(_ name: String) -> Bool {
    name.hasSuffix("num_batches_tracked") || name.hasPrefix("weighted_sampling.")
  }

  /// A tensor of a rank. Where it is missing or unfit, the failure is kept for `finish` and a stand-in returned, so that
  /// an error can list all that is missing rather than the first.
  mutating func take(_ name: String, rank: Int) -> Tensor {
    guard let tensor = tensors[name] else {
      missing.append(name)
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
    contains(name) ? take(name, rank: rank) : nil
  }

  /// Leaves a tensor out that carries nothing for the graph, if it is there.
  mutating func ignore(_ name: String) {
    if contains(name) { taken.insert(name) }
  }

  private mutating func note(_ error: ImportError) {
    if problem == nil { problem = error }
  }

  private static func standIn(rank: Int) -> Tensor {
    Tensor([Float(1)], shape: Shape([Int](repeating: 1, count: rank)))
  }

  /// - Throws: `ImportError` if anything was missing, unfit or left over.
  func finish(architecture: String) throws(ImportError) {
    if !missing.isEmpty { throw .missing(architecture: architecture, names: missing) }
    if let problem { throw problem }
    let leftOver = order.filter { !taken.contains($0) && !Self.isTrainingState($0) }
    if !leftOver.isEmpty { throw .leftOver(architecture: architecture, names: leftOver) }
  }

  /// The first tensor with a value that is not finite, and where it lies. Reads every element once.
  public func firstNonFinite() -> (name: String, index: Int)? {
    for name in order {
      guard let tensor = tensors[name], tensor.elementType.isFloatingPoint, !Self.isTrainingState(name),
        let values = tensor.asFloat32()
      else { continue }
      // p = infinity is a legitimate GeM exponent.
      if name.hasSuffix("pool.p") { continue }
      let index = values.withElements(as: Float.self) { $0.firstIndex { !$0.isFinite } }
      tensor.releasePages()
      if let index { return (name, index) }
    }
    return nil
  }
}
