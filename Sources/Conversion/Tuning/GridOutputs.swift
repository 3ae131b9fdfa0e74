import Glibc
import Graphs
import Images
import Inference
import Operators
import Retrieval
import Runtime
import Tensors
import Threads

/// The outputs of a network for images and their augmented copies, by each exponent of a grid.
struct GridOutputs {
  /// The images that could be used, each content once, in the order of the list.
  let files: [ImageFolder.File]
  /// The images that were left out because they are broken.
  let skipped: BrokenImages
  /// The names of images whose content equals that of an earlier one.
  let repeated: [String]
  private let rows: [Row]
  private let dimension: Int

  /// What is kept of one image.
  private struct Row: Sendable {
    let key: UInt64
    /// For each exponent, the embeddings of the image and of its copies, one after the other.
    let embeddings: [[Float]]
    /// For each exponent, the answer of the classifier; empty for images without a label.
    let answers: [Answer]
  }

  /// The answer of the classifier for one labelled image.
  struct Answer: Sendable {
    /// In nats.
    let crossEntropy: Double
    /// Whether the first answer is the image's class.
    let isTop1: Bool

    /// - Parameters:
    ///   - label: an index of `logits`.
    ///   - logits: NaN or infinite ones give a cross-entropy that is not finite.
    init(label: Int, logits: [Float]) {
      let largest = logits.reduce(-Float.infinity, max)
      let sum = logits.reduce(0) { $0 + exp(Double($1) - Double(largest)) }
      crossEntropy = log(sum) + Double(largest) - Double(logits[label])
      isTop1 = ClassHit(label: label, logits: logits[...]).top1
    }
  }

  /// Runs images and their copies, one pass each.
  ///
  /// - Parameters:
  ///   - grid: the network; with logits where an image has a label.
  ///   - augmentation: makes the copies.
  ///   - copies: their number for each image.
  ///   - label: the index of an image's class; `nil` for images without one.
  /// - Throws: `ConversionError.brokenImages` where an image is broken and may not be left out; `GraphError`.
  init(
    _ grid: PoolingGrid, _ files: [ImageFolder.File], augmentation: Augmentation, copies: Int, job: ImageJob,
    progress: any ProgressObserver, label: (ImageFolder.File) -> Int?
  ) throws {
    let network = try Executable(grid.graph, threads: job.threads)
    let sessions = WorkerLocal { Session(network) }
    let rows = SlotStore<Row>()
    skipped = try job.run(files, progress: progress) { index, file, worker in
      let image = try job.load(file)
      var embeddings = [[Float]](repeating: [], count: grid.exponents.count)
      var answers: [Answer] = []
      for copy in 0...copies {
        let pixels = try augmentation.copy(copy, of: image.pixels, imageKey: image.key)
        let outputs = try sessions[worker].run(pixels: pixels.pixels, height: pixels.height, width: pixels.width)
        func values(_ name: String, _ number: Int) -> [Float] {
          outputs[PoolingGrid.name(name, number)]?.elements(as: Float.self) ?? []
        }
        for number in grid.exponents.indices { embeddings[number] += values(GraphOutput.normalizedEmbedding, number) }
        guard copy == 0, let label = label(file) else { continue }
        answers = grid.exponents.indices.map { Answer(label: label, logits: values(GraphOutput.logits, $0)) }
      }
      rows[index] = Row(key: image.key, embeddings: embeddings, answers: answers)
    }
    var seen: Set<UInt64> = []
    var kept: [(file: ImageFolder.File, row: Row)] = []
    var repeated: [String] = []
    for (index, file) in files.enumerated() {
      guard let row = rows[index] else { continue }
      if seen.insert(row.key).inserted { kept.append((file, row)) } else { repeated.append(file.relativePath) }
    }
    (self.files, self.rows, self.repeated) = (kept.map(\.file), kept.map(\.row), repeated)
    dimension = (kept.first?.row.embeddings.first?.count ?? 0) / (copies + 1)
  }

  /// The number of elements of an embedding.
  var embeddingDimension: Int { dimension }

  /// All embeddings by the exponent with an index: each image's, followed by those of its copies; `nil` where one of
  /// them is not finite or zero, so that it cannot be ranked, or an answer of the classifier is not finite.
  func embeddings(_ number: Int) -> [Float]? {
    let answersAreFinite = rows.allSatisfy { $0.answers.isEmpty || $0.answers[number].crossEntropy.isFinite }
    guard answersAreFinite else { return nil }
    var all: [Float] = []
    for row in rows {
      let values = row.embeddings[number]
      for start in stride(from: 0, to: values.count, by: max(dimension, 1)) {
        let embedding = values[start..<start + dimension]
        guard embedding.allSatisfy(\.isFinite), embedding.contains(where: { $0 != 0 }) else { return nil }
      }
      all += values
    }
    return all
  }

  /// The answers for all labelled images by the exponent with an index.
  func answers(_ number: Int) -> [Answer] { rows.compactMap { $0.answers.isEmpty ? nil : $0.answers[number] } }
}
