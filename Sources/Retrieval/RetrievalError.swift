/// Why a set or its ground truth cannot be used.
package enum RetrievalError: Error, Hashable, Sendable {
  /// The images are not named or arranged as the set's are; `source` is the folder or the file that lists them.
  case layout(set: String, source: String, problem: String)
  /// A file with ground truth, rotations or labels says something that cannot be used.
  case file(path: String, problem: String)
  /// Options that do not fit the set; the message says why.
  case option(String)
}

extension RetrievalError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .layout(let set, let source, let problem): "\(source): not laid out as \(set): \(problem)"
    case .file(let path, let problem): "\(path): \(problem)"
    case .option(let problem): problem
    }
  }
}
