import Fidelity
import PrintableText

/// Any tree of class folders: every image is a query, itself left out, and the other images of its class are its
/// positives. The classes are labels, too.
package enum FolderSet {
  /// - Throws: `RetrievalError.layout` where images are not in class folders, `.file` where the names of two are the
  ///   same text in Unicode.
  package static func task(_ list: ListedImages) throws(RetrievalError) -> RetrievalTask {
    try list.checkNames()
    guard let labels = list.labels else {
      throw list.misfit(
        "folders",
        "every image must be in a subfolder, whose name is that of its class, but "
          + "\(list.images.first { !$0.name.contains("/") }.map { printable($0.name) } ?? "an image") is not")
    }
    let groups = list.images.map { labels.labels[$0.name] }
    return RetrievalTask(
      set: "folders", images: list.images, groups: groups, labels: labels,
      notes: Set(groups).count > 1 ? [] : ["all images are of one class, so that a query cannot find a wrong one"])
  }
}
