import Inference
import PackageFormat
import Pixels

extension PackageInspection {
  /// The memory that running a package takes, in bytes, with one thread and images of the network's input size; or why
  /// it is not known.
  package struct Memory: Encodable, Sendable {
    /// The packed weights.
    package let modelBytes: Int?
    /// What opening the package needs besides.
    package let loadingBytes: Int?
    /// The activations, and what resizing needs.
    package let sessionBytes: Int?
    /// The packed weights and the larger of the other two.
    package let peakBytes: Int?
    /// Why there are no figures; `nil` where there are.
    package let problem: String?
  }
}

extension PackageInspection.Memory {
  /// The number of values, each as often as a node computes or reads it, that are planned for all sizes together: far
  /// more than the sizes of any known network need.
  private static let planningLimit = 1 << 18

  /// The memory for each size of a package; `nil` where this version does not know the network.
  static func estimates(of reader: PackageReader) -> [PackageInspection.Memory?] {
    let sides = reader.info.resolutions.map(\.side)
    guard let model = try? EmbeddingModel(reader, threads: 1, loadsWeights: false) else {
      return sides.map { _ in nil }
    }
    let values = reader.graph.nodes.reduce(1) { $0 + 1 + $1.inputs.count }
    let count = min(sides.count, max(1, planningLimit / values))
    var estimates: [PackageInspection.Memory?] = []
    do throws(InferenceError) {
      for result in try model.memory(sides: Array(sides.prefix(count))) {
        switch result {
        case .success(let memory): estimates.append(PackageInspection.Memory(memory))
        case .failure(let error): estimates.append(PackageInspection.Memory(cannotRun: error))
        }
      }
    } catch {
      return sides.map { _ in PackageInspection.Memory(cannotRun: error) }
    }
    while estimates.count < sides.count {
      estimates.append(PackageInspection.Memory(problem: "not computed, as the package has many layers and sizes"))
    }
    return estimates
  }

  private init(_ memory: EmbeddingMemory) {
    (modelBytes, loadingBytes) = (memory.model, memory.loading)
    (sessionBytes, peakBytes, problem) = (memory.session, memory.peak, nil)
  }

  private init(cannotRun error: InferenceError) {
    self.init(problem: "none, as the network cannot run: \(error)")
  }

  private init(problem: String) {
    (modelBytes, loadingBytes, sessionBytes, peakBytes) = (nil, nil, nil, nil)
    self.problem = problem
  }

  /// Such as "31.5 MB at most: 25.6 MB of weights, 5.9 MB for a session of one thread".
  var text: String {
    guard let peakBytes, let modelBytes, let sessionBytes else { return problem ?? "unknown" }
    func megabytes(_ bytes: Int) -> String { "\(Double((bytes + 50_000) / 100_000) / 10) MB" }
    return "\(megabytes(peakBytes)) at most: \(megabytes(modelBytes)) of weights, "
      + "\(megabytes(sessionBytes)) for a session of one thread"
  }
}
