import Fidelity
import Images
import NeighbourSearch
import Threads

/// The embeddings of both networks, collected while images are compared, to search them for each other afterwards.
///
/// At most `NeighborFigures.maxImages` images are collected. With 2048 dimensions these are 164 MB until the search,
/// which adds copies of as many bytes and those of one network while it makes them; the usual 300 images are 5 MB.
package final class NeighborEmbeddings: Sendable {
  /// One image.
  private struct Entry: Sendable {
    let index: Int
    let name: String
    /// The index of the image's class; `nil` if it is not known. Any numbers will do that differ between classes.
    let label: Int?
    let float, int8: [Float]

    /// Whether both embeddings have a direction.
    var hasDirections: Bool {
      [float, int8].allSatisfy { embedding in
        let square = embedding.reduce(0.0) { $0 + Double($1) * Double($1) }
        return square.isFinite && square > 0
      }
    }
  }

  private let entries = Mutex<[Entry]>([])
  /// The numbers of the images to collect; `nil`: all.
  private let chosen: Set<Int>?

  /// - Parameter names: those of all images that are to be compared. Which of them are collected depends only on their
  ///   names, as does the order in which verification compares images until its gates are decided: it begins with those
  ///   that are collected.
  package init(names: [String]) {
    let limit = NeighborFigures.maxImages
    chosen = names.count <= limit ? nil : Set(names.indicesShuffledByName().prefix(limit))
  }

  /// Adds an image, unless it is not among those to collect.
  ///
  /// - Parameter index: the image's number in the list of names.
  package func add(_ index: Int, name: String, label: Int?, float: [Float], int8: [Float]) {
    guard chosen?.contains(index) ?? true else { return }
    let entry = Entry(index: index, name: name, label: label, float: float, int8: int8)
    entries.withLock { $0.append(entry) }
  }

  /// Searches the images that were added.
  ///
  /// - Returns: `nil` for fewer than two images.
  /// - Throws: `ConversionError.option` for a false match rate where the images are not of several classes;
  ///   `EmbeddingError` where they have different numbers of dimensions.
  package func figures(_ rule: DecisionRule?, threads: Int) throws -> NeighborFigures? {
    // Equal similarities rank by name.
    let all = entries.withLock { $0 }.sorted { a, b in
      a.name.utf8.elementsEqual(b.name.utf8)
        ? a.index < b.index : a.name.utf8.lexicographicallyPrecedes(b.name.utf8)
    }
    let entries = all.filter(\.hasDirections)
    let others = [NeighborQuery](repeating: .withoutDirection, count: all.count - entries.count)
    // The inputs of copies are equal after preprocessing, if not before. A network computes the same from the same.
    let copies = all.count - Set(all.map(\.float)).count
    guard entries.count > 1 else { return NeighborFigures(all.map { _ in .withoutDirection }, copies: copies) }
    let dimensions = entries[0].float.count
    let search = try NeighborComparison(
      float: EmbeddingMatrix(entries.flatMap(\.float), dimensions: dimensions),
      int8: EmbeddingMatrix(entries.flatMap(\.int8), dimensions: dimensions), labels: entries.map(\.label),
      threads: threads)
    let (queries, decisions) = try search.run(rule)
    return NeighborFigures(
      queries + others, copies: copies, medianDistance: medianDistance(entries.count) { entries[$0].float },
      decisions: decisions)
  }
}

extension [String] {
  /// The indices in a pseudorandom order that depends only on the strings: sorted by the FNV-1a hash of a string
  /// (Fowler, Noll and Vo, RFC 9923), mixed with the finaliser of SplitMix64 (Steele, Lea and Flood, "Fast Splittable
  /// Pseudorandom Number Generators", 2014), and equal strings by index.
  func indicesShuffledByName() -> [Int] {
    let keys = map { mixed($0.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }) }
    return indices.sorted { a, b in
      if keys[a] != keys[b] { return keys[a] < keys[b] }
      return self[a].utf8.elementsEqual(self[b].utf8) ? a < b : self[a].utf8.lexicographicallyPrecedes(self[b].utf8)
    }
  }
}

extension DecisionRule {
  /// Checks that images are of several classes where the rule needs classes.
  ///
  /// - Parameters:
  ///   - labels: the index of each image's class; `nil` if it is not known.
  ///   - source: the folder or the file that the images come from, for the message.
  /// - Throws: `ConversionError.option` where they are not.
  func checkClasses(_ labels: [Int?], of source: String) throws(ConversionError) {
    guard case .falseMatchRate = self, !labels.areOfSeveralClasses else { return }
    throw .option(
      "--false-match-rate needs images of several classes, and those of \(source) are not: give class folders (or "
        + "--labels to 'quern compare'), or the threshold itself with --threshold")
  }
}

extension [Int?] {
  /// Whether all are known and there are at least two.
  var areOfSeveralClasses: Bool { allSatisfy { $0 != nil } && contains { $0 != first ?? nil } }
}
