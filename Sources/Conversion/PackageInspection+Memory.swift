import Inference
import PackageFormat
import Pixels

extension PackageInspection {
  /// The memory that running a package takes, in bytes, with one thread and images of the network's input size.
  package struct Memory: Encodable, Sendable {
    /// The packed weights.
    package let modelBytes: Int
    /// What opening the package needs besides.
    package let loadingBytes: Int
    /// The activations, and what resizing needs.
    package let sessionBytes: Int
    /// The packed weights and the larger of the other two.
    package let peakBytes: Int
  }
}

extension PackageInspection.Memory {
  /// The memory for each size of a package; `nil` where its network cannot run.
  static func estimates(of reader: PackageReader) -> [PackageInspection.Memory?] {
    let model = try? EmbeddingModel(reader, threads: 1, loadsWeights: false)
    return reader.info.resolutions.map { resolution in
      let options = EmbeddingSession.Options(threads: 1, side: resolution.side)
      guard let memory = try? model?.memory(options, height: nil, width: nil) else { return nil }
      return PackageInspection.Memory(
        modelBytes: memory.model, loadingBytes: memory.loading, sessionBytes: memory.session, peakBytes: memory.peak)
    }
  }

  /// Such as "31.5 MB for one image: 25.6 MB of weights, 5.9 MB for the session".
  var text: String {
    func megabytes(_ bytes: Int) -> String { "\(Double((bytes + 50_000) / 100_000) / 10) MB" }
    return "\(megabytes(peakBytes)) at most: \(megabytes(modelBytes)) of weights, "
      + "\(megabytes(sessionBytes)) for a session of one thread"
  }
}
