import Fidelity
import PrintableText

/// Copydays (Douze et al.: "Evaluation of GIST descriptors for web-scale image search", CIVR 2009): originals
/// `NNNN00.jpg`, and strongly changed copies `NNNNkk.jpg` of them, which are the queries. The gallery is the originals.
///
/// Originals are in the folder itself or in a subfolder "original", strong copies in "strong", as the archives and the
/// scripts around them have it; crops and JPEG copies in other subfolders are not used. Where no folder is named
/// "strong", copies are the images whose number does not end in 00.
package enum CopydaysSet {
  /// - Throws: `RetrievalError.layout` where images are named otherwise, originals or copies are missing, or a copy
  ///   has no original.
  package static func task(_ list: ListedImages) throws(RetrievalError) -> RetrievalTask {
    func isIn(_ folder: String, _ image: TaskImage) -> Bool {
      image.name.split(separator: "/").dropLast().contains { $0 == folder || $0 == "copydays_\(folder)" }
    }
    let strong = list.images.filter { isIn("strong", $0) }
    let hasOriginalFolder = list.images.contains { isIn("original", $0) }
    let others = list.images.filter { image in
      !isIn("strong", image)
        && (hasOriginalFolder ? isIn("original", image) : strong.isEmpty || !image.name.contains("/"))
    }
    let numbers = try list.numbers(others, set: "copydays")
    let originals = others.indices.filter { numbers[$0] % 100 == 0 }
    let copies = strong.isEmpty ? others.indices.filter { numbers[$0] % 100 != 0 }.map { others[$0] } : strong
    guard !originals.isEmpty else {
      throw list.misfit("copydays", "there is no original, whose number ends in 00, in the folder or in 'original'")
    }
    guard !copies.isEmpty else {
      throw list.misfit("copydays", "there is no copy, in a folder 'strong' or with a number that does not end in 00")
    }
    let places = Dictionary(
      originals.enumerated().map { (numbers[$1] / 100, $0) }, uniquingKeysWith: { first, _ in first })
    var queries: [RetrievalQuery] = []
    for (copy, number) in zip(copies, try list.numbers(copies, set: "copydays")) {
      guard let place = places[number / 100] else {
        throw list.misfit("copydays", "\(printable(copy.name)) has no original, \(number / 100)00.jpg")
      }
      queries.append(RetrievalQuery(name: copy.name, source: .image(copy), easy: [place]))
    }
    let unused = list.images.count - originals.count - copies.count
    return RetrievalTask(
      set: "copydays", images: originals.map { others[$0] }, queries: queries,
      notes: unused == 0 ? [] : ["\(unused) images are neither originals nor strong copies, and are not used"])
  }
}
