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

/// The name that was probably meant by another: the closest one, if it is close enough to be a slip; of several, the
/// first in order.
package func closest(to name: String, among names: [String]) -> String? {
  guard name.utf8.count <= 64 else { return nil }  // longer than any name of ours
  let closest = Set(names).map { (editDistance(name, $0), $0) }.min { $0 < $1 }
  guard let closest, closest.0 <= max(2, name.count / 3) else { return nil }
  return closest.1
}
