/// Tasks in which images of the same group should find each other.
extension RetrievalTask {
  /// Every image of a gallery, or the first of each group, is a query; the others of its group are its positives.
  ///
  /// - Parameters:
  ///   - groups: the group of each image, in the order of `images`; `nil` for an image of no group, which is only
  ///     searched.
  ///   - countsItself: whether a query should find itself, too; otherwise it is taken out of the ranking.
  ///   - isQuery: whether the image at an index is a query; images without a group are none.
  init<Group: Hashable>(
    set: String, images: [TaskImage], groups: [Group?], countsItself: Bool = false, labels: ImageLabels? = nil,
    notes: [String] = [], isQuery: (Int) -> Bool = { _ in true }
  ) {
    var members: [Group: [Int]] = [:]
    for (index, group) in groups.enumerated() {
      if let group { members[group, default: []].append(index) }
    }
    let queries = images.indices.compactMap { index -> RetrievalQuery? in
      guard let group = groups[index], isQuery(index) else { return nil }
      return RetrievalQuery(
        name: images[index].name, image: index, group: members[group] ?? [], countsItself: countsItself)
    }
    self.init(set: set, images: images, queries: queries, labels: labels, notes: notes)
  }
}
