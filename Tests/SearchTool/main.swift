import Foundation
import NeighbourSearch
import Threads

// Searches files of embeddings, for scripts/benchmarks/search.py and scripts/differential/compare_search.py:
//
//   search-tool QUERIES GALLERY DISTRACTORS|- TARGETS FIRST THREADS
//
// Query q has TARGETS targets, the gallery's rows from q * TARGETS on, and ignores the row after them; rows count modulo
// the gallery. Prints a line for each query: the ranks of its targets, and then pairs of a row and a similarity. The last
// line is the largest memory that the process had, in kB.

let arguments = CommandLine.arguments
guard arguments.count == 7, let targets = Int(arguments[4]), let first = Int(arguments[5]),
  let threads = Int(arguments[6])
else { fatalError("usage: search-tool QUERIES GALLERY DISTRACTORS|- TARGETS FIRST THREADS") }
let team = ThreadTeam(count: threads)
let queries = try EmbeddingSource(path: arguments[1]).matrix(team: team)
let gallery = try EmbeddingSource(path: arguments[2]).matrix(team: team)
let requests = (0..<queries.rows).map { query in
  RankedSearch.Request(
    targets: (0..<targets).map { (query * targets + $0) % gallery.rows },
    ignored: [(query * targets + targets) % gallery.rows])
}
let search = try RankedSearch(queries: queries, requests: requests, gallery: gallery, first: first, team: team)
if arguments[3] != "-" { try EmbeddingSource(path: arguments[3]).forEachBlock(team: team) { try search.add($0) } }
for answer in search.answers() {
  let neighbours = answer.first.map { "\($0.index) \($0.similarity)" }
  print((answer.ranks.map { "\($0)" } + neighbours).joined(separator: " "))
}
let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
print(status.split(separator: "\n").first { $0.hasPrefix("VmHWM") }.map(String.init) ?? "VmHWM: 0 kB")
