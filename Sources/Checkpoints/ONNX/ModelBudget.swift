/// What reading a model may take, in bytes or in other units: some for a model of no size, and more for each of its
/// bytes, as large models have much to be read.
package struct ModelBudget: Sendable {
  package let limit: Int
  /// What was taken so far.
  package private(set) var used = 0

  /// - Parameter modelBytes: the size of the model with its external data.
  package init(free: Int, perByte: Int, modelBytes: Int) {
    let (product, overflow) = perByte.multipliedReportingOverflow(by: max(modelBytes, 0))
    let (sum, sumOverflow) = product.addingReportingOverflow(free)
    limit = overflow || sumOverflow ? .max : sum
  }

  /// Counts what is about to be taken.
  ///
  /// - Returns: whether that is within the limit; otherwise nothing is counted.
  package mutating func claim(_ count: Int) -> Bool {
    let (sum, overflow) = used.addingReportingOverflow(max(count, 0))
    guard !overflow, sum <= limit else { return false }
    used = sum
    return true
  }
}
