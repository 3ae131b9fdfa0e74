import Fidelity

/// An image of a set, as it is to be embedded.
package struct TaskImage: Hashable, Sendable {
  /// The path relative to the set's folder; unique in the set, except for crops of one image.
  package let name: String
  /// The path of the file; `nil` where only embeddings are available.
  package let path: String?
  /// By how many quarters of a turn the image is turned clockwise before anything else, in 0 ... 3.
  package var quarterTurns = 0
  /// The part of the image that is used; `nil`: all of it.
  package var box: ImageBox?

  package init(name: String, path: String?) { (self.name, self.path) = (name, path) }

  /// The name of the file without its folders and its extension.
  package var stem: Substring {
    let file = name.split(separator: "/").last ?? ""
    // By bytes: a step backwards over flags goes to the first of them.
    return file.utf8.lastIndex(of: UInt8(ascii: ".")).map { file[..<$0] } ?? file
  }
}

/// A box of an image in pixels from the top-left corner, as ground truth states it: its corners need be neither whole
/// nor inside the image.
package struct ImageBox: Hashable, Sendable {
  package let left, top, right, bottom: Double

  /// - Returns: `nil` unless the numbers are finite, of a magnitude that an image can have, and span an area.
  package init?(left: Double, top: Double, right: Double, bottom: Double) {
    guard [left, top, right, bottom].allSatisfy({ abs($0) < 1e6 }), left < right, top < bottom else { return nil }
    (self.left, self.top, self.right, self.bottom) = (left, top, right, bottom)
  }
}

/// A query, and which images of the gallery it should find.
package struct RetrievalQuery: Sendable {
  /// Where the query's embedding comes from.
  package enum Source: Hashable, Sendable {
    /// An image of the gallery, by its index.
    case gallery(Int)
    /// An image that is not in the gallery.
    case image(TaskImage)
  }

  /// The name of the query's image.
  package let name: String
  package let source: Source
  /// The images of `easy`, and `itself`. The queries of a group share this array: copies would take memory with the
  /// square of the group.
  package let listed: [Int]
  /// The query's own image where `listed` contains it, and it is ignored.
  private let itself: Int?
  /// Images that are hard to find, by ascending index; empty in a task that is not graded.
  package let hard: [Int]
  /// Images that are taken out before ranks count, by ascending index: junk, and the query itself where the protocol
  /// leaves it out.
  package let ignored: [Int]

  /// Sorts the indices; an index that is ignored, too, is no positive, and one that is easy, too, is not hard.
  package init(name: String, source: Source, easy: [Int], hard: [Int] = [], ignored: [Int] = []) {
    (self.name, self.source) = (name, source)
    let (ignoredSet, easySet) = (Set(ignored), Set(easy))
    self.ignored = ignoredSet.sorted()
    listed = easySet.subtracting(ignoredSet).sorted()
    itself = nil
    self.hard = Set(hard).subtracting(ignoredSet).subtracting(easySet).sorted()
  }

  /// A query for the images of its group.
  ///
  /// - Parameters:
  ///   - index: the query's image.
  ///   - group: distinct indices in ascending order, among them the query's.
  ///   - countsItself: whether the query should find itself, too; otherwise it is ignored.
  init(name: String, image index: Int, group: [Int], countsItself: Bool) {
    (self.name, source) = (name, .gallery(index))
    (listed, hard) = (group, [])
    itself = countsItself ? nil : index
    ignored = countsItself ? [] : [index]
  }

  /// A query with other indices, which are in the same order.
  private init(
    _ query: RetrievalQuery, source: Source, listed: [Int], itself: Int?, hard: [Int], ignored: [Int]
  ) {
    (name, self.source, self.listed) = (query.name, source, listed)
    (self.itself, self.hard, self.ignored) = (itself, hard, ignored)
  }

  /// The query in a gallery that has only some of the images.
  ///
  /// - Parameters:
  ///   - place: the new index of an image that is still there, in the same order.
  ///   - list: the new indices of a list that queries share.
  fileprivate func moved(
    to source: Source, place: (Int) -> Int?, list: ([Int]) -> [Int]
  ) -> RetrievalQuery {
    RetrievalQuery(
      self, source: source, listed: list(listed), itself: itself.flatMap(place), hard: hard.compactMap(place),
      ignored: ignored.compactMap(place))
  }

  /// Images that the query should find, by ascending index; in a graded task, those that are easy to find.
  package var easy: [Int] { itself == nil ? listed : listed.filter { $0 != itself } }

  /// The number of images in `easy`.
  package var easyCount: Int { listed.count - (itself == nil ? 0 : 1) }

  /// The images whose ranks decide the figures, in the order in which `QueryResult` takes their ranks.
  package var targets: [Int] { hard.isEmpty ? easy : easy + hard }

  /// The number of `targets`.
  package var targetCount: Int { easyCount + hard.count }
}

/// What images are searched for which others.
package struct RetrievalTask: Sendable {
  /// The name of the set, such as "holidays".
  package let set: String
  /// The images to search, in ascending order of their names' UTF-8 bytes; names are unique.
  package private(set) var images: [TaskImage]
  package private(set) var queries: [RetrievalQuery]
  /// Whether positives are easy or hard, for three protocols.
  package let isGraded: Bool
  /// The classes of the images, for accuracy; `nil` where they have none.
  package let labels: ImageLabels?
  /// What was decided about the set, a sentence each.
  package var notes: [String]

  /// - Parameter queries: their indices are those of `images`.
  package init(
    set: String, images: [TaskImage], queries: [RetrievalQuery], isGraded: Bool = false, labels: ImageLabels? = nil,
    notes: [String] = []
  ) {
    precondition(
      zip(images, images.dropFirst()).allSatisfy { precedesInUTF8($0.name, $1.name) }, "images are in order of names")
    (self.set, self.images, self.queries) = (set, images, queries)
    (self.isGraded, self.labels, self.notes) = (isGraded, labels, notes)
  }

  /// The protocols that are measured, the headline's first.
  package var protocols: [RetrievalProtocol] { isGraded ? [.medium, .easy, .hard] : [.all] }

  /// All images to embed: the gallery, then the queries that are not in it, in order.
  package var embeddedImages: [TaskImage] {
    images
      + queries.compactMap { query in if case .image(let image) = query.source { image } else { nil } }
  }

  /// For each query, the index of its image in `embeddedImages`.
  package var queryPlaces: [Int] {
    var next = images.count
    return queries.map { query in
      if case .gallery(let index) = query.source { return index }
      next += 1
      return next - 1
    }
  }

  /// Takes images out of the gallery, of the positives and of the queries.
  ///
  /// - Parameter left: indices into `embeddedImages`.
  package mutating func leaveOut(_ left: Set<Int>) {
    guard !left.isEmpty else { return }
    var places: [Int: Int] = [:]
    var kept: [TaskImage] = []
    for index in images.indices where !left.contains(index) {
      places[index] = kept.count
      kept.append(images[index])
    }
    // By the first image: groups have no image in common. Equal arrays are compared by their address first.
    var known: [Int: (before: [Int], after: [Int])] = [:]
    func moved(_ list: [Int]) -> [Int] {
      guard let first = list.first else { return [] }
      if let (before, after) = known[first], before == list { return after }
      let after = list.compactMap { places[$0] }
      known[first] = (list, after)
      return after
    }
    queries = zip(queries, queryPlaces).compactMap { query, place in
      if left.contains(place) { return nil }
      let source: RetrievalQuery.Source =
        if case .gallery = query.source, let place = places[place] { .gallery(place) } else { query.source }
      return query.moved(to: source, place: { places[$0] }, list: moved)
    }
    images = kept
  }
}

/// Which images of a graded task count as found, and which are taken out (Radenović et al., "Revisiting Oxford and
/// Paris", arXiv 1803.11285, section 3.3); the raw value is the name in reports.
package enum RetrievalProtocol: String, Hashable, Sendable, CaseIterable {
  /// A task that is not graded: every positive.
  case all
  /// Easy images; hard ones are taken out.
  case easy
  /// Easy and hard images.
  case medium
  /// Hard images; easy ones are taken out.
  case hard
}

/// The classes of images.
package struct ImageLabels: Hashable, Sendable {
  /// The names of the classes in sorted order; empty where labels are indices of the classifier's classes.
  package let classNames: [String]
  /// The class of each image, by its name: an index of `classNames`, or of the classifier's classes.
  package let labels: [String: Int]

  package init(classNames: [String], labels: [String: Int]) { (self.classNames, self.labels) = (classNames, labels) }
}

/// Whether a name comes before another in the order of their UTF-8 bytes, which no locale changes.
package func precedesInUTF8(_ left: String, _ right: String) -> Bool {
  left.utf8.lexicographicallyPrecedes(right.utf8)
}
