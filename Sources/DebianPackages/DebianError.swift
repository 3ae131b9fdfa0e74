/// A problem with what a Debian package should contain, or with writing it.
package enum DebianError: Error, Hashable, Sendable {
  /// A field of the package is not allowed by Debian's policy, which `problem` explains.
  case invalidField(name: String, value: String, problem: String)
  /// A file cannot be stored in the package.
  case cannotStore(String)
}

extension DebianError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .invalidField(let name, let value, let problem): "\(name) '\(value)' \(problem)"
    case .cannotStore(let problem): "cannot be stored in a Debian package: \(problem)"
    }
  }
}
