import Fidelity
import Files
import Retrieval

/// What one model computed for the images of a task.
struct SetOutputs: Sendable {
  /// The number of elements of an embedding; 0 where none are needed.
  let dimension: Int
  /// The embeddings of the task's `embeddedImages` in their order, [images, dimension]; empty where none are needed.
  let embeddings: [Float]
  /// Whether each labelled image was classified rightly, in the order of `embeddedImages`; `nil` where accuracy is not
  /// measured.
  let hits: [ClassHit]?
  /// Hashes of the logits of the same images.
  private let answers: [SHA256.Digest]

  /// - Parameters:
  ///   - rows: a row for each image; empty rows where no embeddings are needed.
  ///   - hits: a hit for each labelled image, `nil` for other images; without any hit accuracy is not measured.
  ///   - answers: the hash of the logits of each labelled image (`bitDigest`), `nil` for other images.
  init(rows: [[Float]], hits: [ClassHit?], answers: [SHA256.Digest?] = []) {
    dimension = rows.first?.count ?? 0
    embeddings = rows.flatMap(\.self)
    let found = hits.compactMap(\.self)
    self.hits = found.isEmpty ? nil : found
    self.answers = answers.compactMap(\.self)
  }

  /// Whether there are embeddings, and they are those of another model (`areSame`).
  func hasSameEmbeddings(as other: SetOutputs) -> Bool {
    dimension > 0 && dimension == other.dimension && embeddings.count == other.embeddings.count
      && (0..<count).allSatisfy { areSame(row($0), other.row($0)) }
  }

  /// Whether there are logits of labelled images, and they are those of another model to the last bit.
  func hasSameLogits(as other: SetOutputs) -> Bool { !answers.isEmpty && answers == other.answers }

  /// The largest median distance of embeddings that rounding in float32 may explain, with which images rank at random.
  private static let roundingDistance = 1e-6

  /// Whether there are several embeddings, and most are equal, or differ by no more than rounding.
  var areAlike: Bool {
    guard dimension > 0, let distance = medianDistance(count, { Array(row($0)) }) else { return false }
    return distance <= Self.roundingDistance
  }

  /// The number of embeddings.
  private var count: Int { dimension == 0 ? 0 : embeddings.count / dimension }

  private func row(_ index: Int) -> ArraySlice<Float> { embeddings[index * dimension..<(index + 1) * dimension] }

  /// The embeddings of some of the images.
  func rows(_ indices: some Collection<Int>) -> [Float] { indices.flatMap(row) }
}

extension [Float] {
  /// SHA-256 of the bits of all elements.
  var bitDigest: SHA256.Digest { withUnsafeBytes { SHA256.hash($0) } }
}

/// The labels of a task's images as indices of a classifier's classes.
struct TaskLabels {
  /// By the index in `embeddedImages`; `nil` where the image has no label or labels do not fit the classifier.
  let labels: [Int?]
  /// Why accuracy is not measured although images are labelled, as a sentence.
  private(set) var problem: String?
  /// What readers of figures should know, a sentence each.
  private(set) var warnings: [String] = []
  /// What was assumed or decided, a sentence each.
  private(set) var notes: [String] = []

  /// - Parameters:
  ///   - folder: the name of the folder or file that lists the images, for messages.
  ///   - names: the names of the classifier's classes.
  init(_ task: RetrievalTask, folder: String, _ names: ClassNames) {
    let images = task.embeddedImages
    guard let known = task.labels, names.count > 0 else {
      labels = images.map { _ in nil }
      return
    }
    if known.classNames.isEmpty {
      if let largest = known.labels.values.max(), largest >= names.count {
        problem = "the labels reach \(largest), but the classifier has \(names.count) classes; accuracy is not measured"
        warnings = [problem].compactMap(\.self)
        labels = images.map { _ in nil }
      } else {
        labels = images.map { known.labels[$0.name] }
      }
      return
    }
    let classes = ClassLabels(known.classNames, in: folder, names)
    labels = images.map { image in known.labels[image.name].flatMap(classes.index(ofFolder:)) }
    (problem, warnings) = (classes.problem, classes.warnings)
    notes = [classes.note, classes.assumption.map { "assuming that \($0)" }].compactMap(\.self)
  }
}
