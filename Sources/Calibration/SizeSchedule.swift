/// How passes over images are spread over the sizes that a package is to serve: they take turns, so that each size sees as
/// many passes, but for one, of images from all over a sorted folder, and there are no more passes than for one size. Statistics
/// of all are one sum, in which a large image counts for more, as it has more positions.
package struct SizeSchedule: Sendable {
  package let sizes: Int

  /// - Parameter sizes: how many there are, at least one.
  package init(sizes: Int) { self.sizes = max(1, sizes) }

  /// Which size a pass is of.
  package func size(ofPass pass: Int) -> Int { pass % sizes }

  /// A number for each of `count` passes by which those of one size follow each other, so that numbers that are spread evenly
  /// are of each size in proportion.
  package func number(ofPass pass: Int, of count: Int) -> Int {
    let size = pass % sizes
    let before = (0..<size).reduce(0) { $0 + (count - $1 + sizes - 1) / sizes }
    return before + pass / sizes
  }
}
