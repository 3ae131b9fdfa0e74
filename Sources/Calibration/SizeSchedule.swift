/// Distributes forward passes over the sizes that a package is converted for. Sizes take turns, so that the numbers of
/// their passes differ by at most one, each size sees images from all over a sorted folder, and several sizes need no
/// more passes than one. The statistics of all sizes are added up; a larger image counts for more, as it has more
/// positions.
package struct SizeSchedule: Sendable {
  /// The number of sizes, at least one.
  package let sizes: Int

  /// - Parameter sizes: the number of sizes, at least one.
  package init(sizes: Int) { self.sizes = max(1, sizes) }

  /// The index of the size that a pass uses.
  package func size(ofPass pass: Int) -> Int { pass % sizes }

  /// The number of the copy that a pass uses, from 0. Copies are shifted from image to image, so that each size gets
  /// all of them.
  ///
  /// - Parameters:
  ///   - repetition: the number of the pass among those of its image.
  ///   - index: the number of the image.
  ///   - repetitions: the number of passes for each image.
  package func copy(_ repetition: Int, ofImage index: Int, repetitions: Int) -> Int {
    sizes > 1 ? (repetition + index) % repetitions : repetition
  }

  /// The position of a pass if the `count` passes are sorted by size, so that evenly spaced positions contain each size
  /// in proportion.
  package func number(ofPass pass: Int, of count: Int) -> Int {
    let size = pass % sizes
    let before = (0..<size).reduce(0) { $0 + (count - $1 + sizes - 1) / sizes }
    return before + pass / sizes
  }
}
