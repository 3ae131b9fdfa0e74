import Checkpoints
import Fidelity
import Files
import PrintableText
import Suggestions

/// Revisited Oxford and Paris (Radenović et al., arXiv 1803.11285), or other ground truth of the same form: a
/// dictionary with the names of the gallery's images `imlist`, those of the queries `qimlist`, and `gnd`, a dictionary
/// for each query with the indices `easy`, `hard` and `junk` into `imlist` and the box `bbx` of the query's object
/// (left, top, right, bottom). Names may lack folders and the extension. The file is a pickle or JSON.
///
/// Queries are independent of each other, so that none occurs twice, and none is a positive of its own, which it would
/// find first.
package enum RevisitedSet {
  /// - Parameters:
  ///   - list: the images.
  ///   - path: the path of the ground truth.
  /// - Throws: `FileError` or `CheckpointError` where the file cannot be read; `RetrievalError.file` where it has
  ///   another form, names an image that is not in the list or a query twice, or has a query among its own positives.
  package static func task(_ list: ListedImages, groundTruth path: String) throws -> RetrievalTask {
    let reader = GroundTruthReader(path: path, list: list)
    let root = try GroundTruthValue.read(path: path)
    let named = try reader.images(try reader.member(root, "imlist", of: "the ground truth"), "imlist")
    let asked = try reader.images(try reader.member(root, "qimlist", of: "the ground truth"), "qimlist")
    let facts = try reader.list(try reader.member(root, "gnd", of: "the ground truth"), "gnd")
    guard facts.count == asked.count else {
      throw reader.refuse("it has \(asked.count) queries in 'qimlist', but \(facts.count) in 'gnd'")
    }
    if let name = asked.map(\.name).firstRepeated { throw reader.refuse("'qimlist' has \(printable(name)) twice") }
    if let name = named.map(\.name).firstRepeated { throw reader.refuse("'imlist' has \(printable(name)) twice") }
    // The gallery is in the order of names, whatever that of the file.
    let order = named.indices.sorted { precedesInUTF8(named[$0].name, named[$1].name) }
    var places = [Int](repeating: 0, count: named.count)
    for (place, index) in order.enumerated() { places[index] = place }
    let galleryPlaces = Dictionary(uniqueKeysWithValues: order.enumerated().map { (named[$1].name, $0) })

    let queries = try facts.indices.map { index in
      let title = "query \(index) of 'gnd'"
      func indices(_ key: String) throws -> [Int] {
        guard let value = try reader.optionalMember(facts[index], key, of: title) else { return [] }
        return try reader.indices(value, "'\(key)' of \(title)", below: named.count).map { places[$0] }
      }
      var image = asked[index]
      if let box = try reader.optionalMember(facts[index], "bbx", of: title) {
        image.box = try reader.box(box, "'bbx' of \(title)")
      }
      let place = galleryPlaces[image.name]
      let (easy, hard) = (try indices("easy"), try indices("hard"))
      if let place, easy.contains(place) || hard.contains(place) {
        throw reader.refuse("\(title) has its own image, \(printable(image.name)), among its positives")
      }
      let source = image.box == nil ? place.map { RetrievalQuery.Source.gallery($0) } : nil
      return RetrievalQuery(
        name: image.name, source: source ?? .image(image), easy: easy, hard: hard,
        ignored: try indices("junk"))
    }
    return RetrievalTask(set: "revisited", images: order.map { named[$0] }, queries: queries, isGraded: true)
  }
}
