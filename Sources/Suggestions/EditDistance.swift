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

/// Asks for the name that was probably meant by another, as in "; did you mean 'convert'?". It is the shortest one that
/// begins with what was given, or else the closest one, if it is close enough to be a slip; of equals, the first in
/// order. The result is empty where there is none.
///
/// - Parameter prefix: what stands before names where people write them, such as "--".
package func suggestion(for name: String, among names: [String], prefix: String = "") -> String {
  guard name.utf8.count <= 64 else { return "" }  // longer than any name of ours
  let longer = names.filter { $0.hasPrefix(name) }.min { ($0.count, $0) < ($1.count, $1) }
  guard let meant = longer ?? closest(to: name, among: names) else { return "" }
  return "; did you mean '\(prefix)\(meant)'?"
}

private func closest(to name: String, among names: [String]) -> String? {
  let closest = Set(names).map { (editDistance(name, $0), $0) }.min { $0 < $1 }
  guard let closest, closest.0 <= max(2, name.count / 3) else { return nil }
  return closest.1
}
