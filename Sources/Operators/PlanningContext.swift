import Graphs
import Tensors

/// State that the operators of one graph share while they are planned for one input shape.
package final class PlanningContext {
  /// The number of threads that will run the operators; each may need its own scratch memory.
  let workers: Int
  private var tables: [Table: [Int32]] = [:]

  /// - Parameter workers: The number of threads that will run the operators.
  package init(workers: Int) { self.workers = workers }

  /// The number of bytes of the tables of offsets that the operators planned so far have.
  package var tableByteCount: Int { tables.values.reduce(0) { $0 + $1.count * MemoryLayout<Int32>.stride } }

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
  /// in the processor's cache, only once.
  ///
  /// - Throws: `GraphError.inputSize` where the map or the table is too large.
  func indirection(
    _ window: Window, input: Shape, output: Shape, pixelStride: Int, outside: Int32, padding: Int32? = nil
  ) throws(GraphError) -> [Int32] {
    let key = Table(
      window: window, input: input, output: output, pixelStride: pixelStride, outside: outside, padding: padding)
    if let cached = tables[key] { return cached }
    let table = try window.indirection(
      input: input, output: output, pixelStride: pixelStride, outside: outside, padding: padding)
    tables[key] = table
    return table
  }
}
