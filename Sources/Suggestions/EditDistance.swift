/// The fewest insertions, deletions and replacements that lead from one sequence to another (Levenshtein, "Binary codes
/// capable of correcting deletions, insertions, and reversals", 1966). It takes time in proportion to the product of
/// the lengths: callers bound what files can make long.
package func editDistance<Element: Equatable>(_ a: some Collection<Element>, _ b: some Collection<Element>) -> Int {
  let b = Array(b)
  var row = Array(0...b.count)
  for (i, x) in a.enumerated() {
    var diagonal = row[0]
    row[0] = i + 1
    for (j, y) in b.enumerated() {
      (diagonal, row[j + 1]) = (row[j + 1], min(diagonal + (x == y ? 0 : 1), row[j] + 1, row[j + 1] + 1))
    }
  }
  return row[b.count]
}
