/// The sets whose layouts are known; the raw value is the name in options and reports.
package enum EvaluationSet: String, Sendable, CaseIterable {
  case folders, holidays, ukbench, copydays, revisited, imagenet, pairs, groups

  /// The files of a set other than its images.
  package struct Files: Sendable {
    /// The path of the ground truth of `revisited`, `pairs` and `groups`.
    package var groundTruth: String?
    /// The path of the rotations of `holidays`.
    package var rotations: String?
    /// The path of the list of labels of `imagenet`.
    package var labels: String?

    package init(groundTruth: String? = nil, rotations: String? = nil, labels: String? = nil) {
      (self.groundTruth, self.rotations, self.labels) = (groundTruth, rotations, labels)
    }

    /// The paths that are given.
    package var paths: [String] { [groundTruth, rotations, labels].compactMap(\.self) }
  }

  /// Makes the task of a set.
  ///
  /// - Throws: `RetrievalError` where images or files do not fit the set, or a file that it needs is missing;
  ///   `FileError` and `CheckpointError` where a file cannot be read.
  package func task(_ list: ListedImages, files: Files) throws -> RetrievalTask {
    if let option = unusedOption(files) { throw RetrievalError.option("\(option) is not for --set \(rawValue)") }
    try list.checkNames()
    switch self {
    case .folders: return try FolderSet.task(list)
    case .holidays:
      return try HolidaysSet.task(list, rotations: try files.rotations.map(HolidaysSet.rotations))
    case .ukbench: return try UKBenchSet.task(list)
    case .copydays: return try CopydaysSet.task(list)
    case .revisited: return try RevisitedSet.task(list, groundTruth: try truth(files, "gnd_*.pkl or JSON"))
    case .imagenet: return try ImageNetSet.task(list, labels: files.labels)
    case .pairs: return try PairsSet.task(list, groundTruth: try truth(files, "a CSV file"))
    case .groups: return try GroupsSet.task(list, groundTruth: try truth(files, "a JSON file"))
    }
  }

  private func truth(_ files: Files, _ kind: String) throws(RetrievalError) -> String {
    guard let path = files.groundTruth else {
      throw .option("--set \(rawValue) needs its ground truth by --ground-truth: \(kind)")
    }
    return path
  }

  private func unusedOption(_ files: Files) -> String? {
    if files.groundTruth != nil, ![.revisited, .pairs, .groups].contains(self) { return "--ground-truth" }
    if files.rotations != nil, self != .holidays { return "--rotations" }
    if files.labels != nil, self != .imagenet { return "--labels" }
    return nil
  }
}
