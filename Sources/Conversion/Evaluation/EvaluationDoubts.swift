import Fidelity
import Files
import Retrieval
import Suggestions

/// Why gates may pass for nothing: a model is compared with itself, does not tell the images apart, or was calibrated
/// on them.
struct EvaluationDoubts {
  /// Sentences for the report.
  private(set) var warnings: [String] = []
  /// Why comparing with the first model says little, for each model and each file of embeddings.
  private var ofComparison: [Reasons]
  /// Why the figures themselves do, for the same.
  private var ofFigures: [Reasons]

  private typealias Reasons = [EvaluationGate.Name: [String]]

  /// Images that the figure of a gate is of.
  private struct Group {
    let name: String
    /// Of `embeddedImages`.
    let images: [Int]
    let gate: EvaluationGate.Name
  }

  /// - Parameters:
  ///   - opened: the models.
  ///   - outputs: those of each model and each file of embeddings.
  ///   - paths: of the same.
  ///   - digests: of the pixels of the task's `embeddedImages`; empty where no package keeps those of its
  ///     calibration images.
  /// - Throws: `FileError` where a model cannot be hashed.
  init(
    _ opened: EvaluationModels, _ outputs: [SetOutputs], paths: [String], task: RetrievalTask, digests: [SHA256.Digest]
  ) throws {
    (ofComparison, ofFigures) = (outputs.map { _ in [:] }, outputs.map { _ in [:] })
    for index in outputs.indices.dropFirst() { try compareWithFirst(index, opened.entries, outputs, paths) }
    for (index, outputs) in outputs.enumerated() where outputs.areAlike {
      ofFigures[index][.mapDrop] = [Doubt.alikeEmbeddings]
      warnings.append(
        "\(paths[index]): all embeddings are equal, or differ by no more than rounding, so that images rank by their "
          + "names or at random")
    }
    let groups = Self.groups(task)
    for (index, entry) in opened.entries.enumerated() where entry.model.package != nil {
      guard let keys = entry.calibration else {
        for gate in [EvaluationGate.Name.mapDrop, .top1Drop] {
          ofFigures[index][gate, default: []].append(Doubt.unknownCalibration)
        }
        warnings.append(
          "whether images of the set were calibrated on cannot be told, as \(paths[index]) does not say which; on such "
            + "images figures are too good")
        continue
      }
      let isCalibrated = digests.map(keys.contains)
      let found = groups.map { group in (group, group.images.filter { isCalibrated[$0] }) }.filter { !$1.isEmpty }
      for (group, images) in found where VerificationSet.isDoubtful(overlap: images.count, of: group.images.count) {
        ofFigures[index][group.gate, default: []].append(
          Doubt.calibratedOn(images.count, of: group.images.count, group.name))
      }
      guard let example = found.first?.1.first else { continue }
      let shares = found.map { group, images in "\(images.count) of \(group.images.count) \(group.name)" }
      warnings.append(
        "\(paths[index]) was calibrated on \(shares.withoutRepetitions.joined(separator: " and ")), such as "
          + "\(task.embeddedImages[example].name); its figures are too good for them")
    }
  }

  /// Short reasons why a value of a gate that is within the limit says little.
  ///
  /// - Parameter index: of the model or the file of embeddings that is compared with the first.
  func reasons(_ gate: EvaluationGate.Name, of index: Int) -> [String] {
    let all = [ofComparison[index], ofFigures[0], ofFigures[index]].flatMap { $0[gate] ?? [] }
    return all.withoutRepetitions
  }

  private mutating func compareWithFirst(
    _ index: Int, _ entries: [EvaluationModels.Entry], _ outputs: [SetOutputs], _ paths: [String]
  ) throws {
    let sides: String
    if index < entries.count, try entries[index].isSame(as: entries[0]) {
      sides = entries[index].model.package == nil ? "are the same file" : "have the same content hash"
      ofComparison[index] = [.mapDrop: [Doubt.comparedWithItself], .top1Drop: [Doubt.comparedWithItself]]
    } else {
      if outputs[index].hasSameEmbeddings(as: outputs[0]) { ofComparison[index][.mapDrop] = [Doubt.comparedWithItself] }
      if outputs[index].hasSameLogits(as: outputs[0]) { ofComparison[index][.top1Drop] = [Doubt.comparedWithItself] }
      guard !ofComparison[index].isEmpty else { return }
      sides = "have the same outputs, to the last bit or up to a scale"
    }
    warnings.append(
      Doubt.ofItself("\(paths[0]) and \(paths[index]) \(sides)", figures: "the figures of the comparison"))
  }

  /// The images, and, where these are others, those that are queries, which a large gallery must not hide, and those
  /// with labels.
  private static func groups(_ task: RetrievalTask) -> [Group] {
    let images = task.embeddedImages
    let queries = zip(task.queries, task.queryPlaces).filter { query, _ in query.targetCount > 0 }.map(\.1)
    let labelled = task.labels.map { labels in images.indices.filter { labels.labels[images[$0].name] != nil } } ?? []
    var groups = task.queries.isEmpty ? [] : [Group(name: "images", images: Array(images.indices), gate: .mapDrop)]
    if queries.count < images.count { groups.append(Group(name: "queries", images: queries, gate: .mapDrop)) }
    groups.append(
      Group(name: labelled.count == images.count ? "images" : "labelled images", images: labelled, gate: .top1Drop))
    return groups.filter { !$0.images.isEmpty }
  }
}
