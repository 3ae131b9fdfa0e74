import Fidelity
import Images
import Pixels
import Retrieval

/// Makes picture sheets of the queries whose average precision changed most.
struct QuerySheets {
  let task: RetrievalTask
  /// The distractors that follow the task's images, as far as their names are known.
  let distractors: [TaskImage]

  /// The number of queries for each model, and the long side of pictures in pixels.
  private static let (queryLimit, pictureSide) = (12, 96)

  /// The queries of each model after the first that changed most, in either direction, those that got worse first.
  ///
  /// - Parameters:
  ///   - models: the models, with their comparisons.
  ///   - results: the results of each.
  /// - Throws: `ImageError` where a picture cannot be written as PNG.
  func make(_ models: [EvaluatedModel], _ results: [[QueryResult]]) throws -> [QuerySheet] {
    try models.indices.dropFirst().flatMap { model -> [QuerySheet] in
      let changes = models[model].comparison?.changes ?? []
      let most = changes.enumerated().sorted {
        abs($0.element.drop) != abs($1.element.drop)
          ? abs($0.element.drop) > abs($1.element.drop) : $0.offset < $1.offset
      }.prefix(Self.queryLimit)
      return try most.sorted { $0.offset < $1.offset }.map { _, change in
        let query = task.queries[change.index]
        let image =
          switch query.source {
          case .gallery(let index): task.images[index]
          case .image(let image): image
          }
        let rows = try [0, model].map { row in
          (models[row].path, try results[row][change.index].first.map { try found($0, by: query) })
        }
        return QuerySheet(
          query: .init(picture: try picture(image), name: query.name, isPositive: false), change: change, rows: rows)
      }
    }
  }

  private func found(_ index: Int, by query: RetrievalQuery) throws -> QuerySheet.Found {
    guard task.images.indices.contains(index) else {
      let number = index - task.images.count
      guard distractors.indices.contains(number) else {
        return .init(picture: nil, name: "distractor \(number)", isPositive: false)
      }
      return .init(picture: try picture(distractors[number]), name: distractors[number].name, isPositive: false)
    }
    return .init(
      picture: try picture(task.images[index]), name: task.images[index].name,
      isPositive: query.targets.contains(index))
  }

  private func picture(_ image: TaskImage) throws -> Picture? {
    guard image.path != nil else { return nil }
    return try Picture.ifAvailable(of: image.name, side: Self.pictureSide) {
      try image.pixels(try LoadedImage(try image.file()))
    }
  }
}
