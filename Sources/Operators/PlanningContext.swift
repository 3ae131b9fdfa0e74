import Graphs
import Tensors

/// State that the operators of one graph share while they are planned for one input shape.
package final class PlanningContext {
  /// The number of threads that will run the operators; each may need its own scratch memory.
  let workers: Int
  /// Whether tables are made. Without them, plans tell sizes and limits only, and must not run.
  let makesTables: Bool
  /// The number of bytes of the tables of offsets that the operators planned so far have, made or not.
  package private(set) var tableByteCount = 0
  private var tables: [Table: [Int32]] = [:]

  /// - Parameters:
  ///   - workers: The number of threads that will run the operators.
  ///   - makesTables: Whether to make the tables that running the operators needs.
  package init(workers: Int, makesTables: Bool = true) { (self.workers, self.makesTables) = (workers, makesTables) }

  /// All that a table of offsets depends on.
  private struct Table: Hashable {
    let window: Window
    let input: Shape
    let output: Shape
    let pixelStride: Int
    let outside: Int32
    let padding: Int32?
  }

  /// The table that `Window.indirection` returns. Operators with equal tables share one, so that it is in memory, and
  /// in the processor's cache, only once. It is empty where no tables are made.
  ///
  /// - Throws: `GraphError.inputSize` where the map or the table is too large.
  func indirection(
    _ window: Window, input: Shape, output: Shape, pixelStride: Int, outside: Int32, padding: Int32? = nil
  ) throws(GraphError) -> [Int32] {
    let key = Table(
      window: window, input: input, output: output, pixelStride: pixelStride, outside: outside, padding: padding)
    if let cached = tables[key] { return cached }
    let count = try window.indirectionCount(input: input, output: output, pixelStride: pixelStride)
    let table =
      makesTables
      ? try window.indirection(
        input: input, output: output, pixelStride: pixelStride, outside: outside, padding: padding) : []
    tables[key] = table
    tableByteCount += count * MemoryLayout<Int32>.stride
    return table
  }
}
