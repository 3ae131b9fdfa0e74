import Graphs
import Tensors

/// What the operators of one graph share while they are planned for one input shape.
package final class PlanningContext {
  /// Threads of the team that will run them; scratch that each of them needs is counted that often.
  let workers: Int
  private var tables: [Table: [Int32]] = [:]

  package init(workers: Int) { self.workers = workers }

  /// What a table of offsets depends on.
  private struct Table: Hashable {
    let window: Window
    let input: Shape
    let output: Shape
    let pixelStride: Int
    let outside: Int32
    let padding: Int32?
  }

  /// The table that `Window.indirection` makes; equal ones are in memory, and in cache, once.
  ///
  /// - Throws: `GraphError.inputSize`.
  func indirection(
    _ window: Window, input: Shape, output: Shape, pixelStride: Int, outside: Int32, padding: Int32? = nil
  ) throws(GraphError) -> [Int32] {
    let key = Table(
      window: window, input: input, output: output, pixelStride: pixelStride, outside: outside, padding: padding)
    if let known = tables[key] { return known }
    let table = try window.indirection(
      input: input, output: output, pixelStride: pixelStride, outside: outside, padding: padding)
    tables[key] = table
    return table
  }
}
