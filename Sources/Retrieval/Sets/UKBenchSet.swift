/// UKBench (Nistér and Stewénius: "Scalable recognition with a vocabulary tree", CVPR 2006): `ukbench00000.jpg` and so
/// on, four consecutive numbers an object. Every image is a query and counts as found itself.
package enum UKBenchSet {
  /// - Throws: `RetrievalError.layout` where images are named otherwise, or a group has not four images.
  package static func task(_ list: ListedImages) throws(RetrievalError) -> RetrievalTask {
    let numbers = try list.numbers(list.images, prefix: "ukbench", set: "ukbench")
    var counts: [Int: Int] = [:]
    for number in numbers { counts[number / 4, default: 0] += 1 }
    if let group = counts.keys.sorted().first(where: { counts[$0] != 4 }) {
      throw list.misfit(
        "ukbench", "the object of the numbers \(4 * group) to \(4 * group + 3) has \(counts[group] ?? 0) images, not 4")
    }
    return RetrievalTask(set: "ukbench", images: list.images, groups: numbers.map { $0 / 4 }, countsItself: true)
  }
}
