import CKernels
import Kernels
import Threads

/// The similarities of queries to every row of one or several galleries, for figures that need more of them than ranks.
///
/// A similarity has the bits that `RankedSearch` gives it, whatever the number of threads, and that of two rows does
/// not depend on which of them is the query. The rows of some queries are in memory at a time: on each thread
/// `maxGroup` queries with four bytes for each row of each gallery.
package struct SimilarityRows: Sendable {
  /// Queries and the gallery that they are compared with.
  package struct Product: Sendable {
    package let queries, gallery: EmbeddingMatrix

    package init(queries: EmbeddingMatrix, gallery: EmbeddingMatrix) {
      (self.queries, self.gallery) = (queries, gallery)
    }
  }

  private let products: [Product]
  private let kernel: quern_fgemm_kernel

  /// The maximum number of queries that are multiplied with a chunk of a gallery at once.
  private static let maxGroup = 96

  /// - Parameters:
  ///   - products: at least one; all have the same numbers of queries and of rows.
  ///   - kernels: those of this machine; all give the same bits.
  /// - Throws: `EmbeddingError.dimensions` if queries have another D than their gallery.
  package init(_ products: [Product], kernels: KernelSet = KernelSet()) throws(EmbeddingError) {
    precondition(
      products.first.map { first in
        products.allSatisfy { $0.queries.rows == first.queries.rows && $0.gallery.rows == first.gallery.rows }
      } ?? false, "products have the same numbers of queries and of rows")
    for product in products where product.queries.dimensions != product.gallery.dimensions {
      throw .dimensions(expected: product.queries.dimensions, found: product.gallery.dimensions)
    }
    (self.products, kernel) = (products, kernels.fgemm)
  }

  /// Calls `body` for every query.
  ///
  /// - Parameters:
  ///   - team: the threads.
  ///   - part: an empty part.
  ///   - body: adds a query to its part, given its number, and for each product its similarities to all rows of the
  ///     gallery in order.
  /// - Returns: a part for each group of successive queries, in order. How queries are grouped depends on the number of
  ///   threads.
  package func parts<Part>(
    team: ThreadTeam, empty part: Part,
    _ body: (_ part: inout Part, _ query: Int, _ similarities: [UnsafeBufferPointer<Float>]) -> Void
  ) -> [Part] {
    let (count, rows) = (products[0].queries.rows, products[0].gallery.rows)
    let panel = QueryGroup.panelSize
    // Several groups for each thread, so that all of them end at about the same time.
    let size = min(Self.maxGroup, (count / (4 * team.count) + panel) / panel * panel)
    return team.map((count + size - 1) / size) { group in
      let range = group * size..<min((group + 1) * size, count)
      let similarities = similarities(range)
      var part = part
      similarities.withUnsafeBufferPointer { similarities in
        for query in range {
          body(
            &part, query,
            products.indices.map { product in
              let start = (product * range.count + query - range.lowerBound) * rows
              return UnsafeBufferPointer(rebasing: similarities[start..<start + rows])
            })
        }
      }
      return part
    }
  }

  /// [products, queries in range, gallery rows]
  private func similarities(_ range: Range<Int>) -> [Float] {
    let rows = products[0].gallery.rows
    let groups = products.map { product in
      QueryGroup(
        queries: product.queries, range: range, requests: range.map { _ in RankedSearch.Request() }[...],
        gallery: product.gallery, kernel: kernel, team: ThreadTeam(count: 1))
    }
    let stride = (range.count + 15) / 16 * 16 + 16
    let chunk = min(max(48, 1 << 16 / products[0].gallery.dimensions), 192)
    var block = [Float](repeating: 0, count: chunk * stride)
    return [Float](unsafeUninitializedCapacity: products.count * range.count * rows) { output, initialized in
      for start in Swift.stride(from: 0, to: rows, by: chunk) {
        let end = min(start + chunk, rows)
        for (number, product) in products.enumerated() {
          block.withUnsafeMutableBufferPointer { block in
            product.gallery.withElements { elements in
              guard let input = elements.baseAddress, let block = block.baseAddress else { return }
              groups[number].multiply(
                input + start * product.gallery.dimensions, rows: end - start, output: block, stride: stride,
                kernel: kernel)
            }
            for query in 0..<range.count {
              let target = (number * range.count + query) * rows
              for row in start..<end {
                output.initializeElement(at: target + row, to: block[(row - start) * stride + query])
              }
            }
          }
        }
      }
      initialized = products.count * range.count * rows
    }
  }
}
