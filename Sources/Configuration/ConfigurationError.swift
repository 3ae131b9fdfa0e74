/// A configuration file that is not valid, or states what no command takes.
package struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
  package let path: String
  /// The line of the file, from 1.
  package let line: Int
  package let message: String

  package init(path: String, line: Int, _ message: String) {
    self.path = path
    self.line = line
    self.message = message
  }

  package var description: String { "\(path):\(line): \(message)" }
}
