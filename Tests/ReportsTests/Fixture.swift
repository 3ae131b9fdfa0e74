import Foundation
import Testing

/// Files under fixtures/fidelity.
enum Fixture {
  static let folder = URL(filePath: #filePath).appending(path: "../../../fixtures/fidelity").standardized

  /// Holds `text` against the file. With QUERN_RECORD_FIXTURES set in the environment it writes the file instead, for
  /// a person to read before committing it.
  static func expectGolden(_ text: String, _ file: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let url = folder.appending(path: file)
    if ProcessInfo.processInfo.environment["QUERN_RECORD_FIXTURES"] != nil {
      try Data(text.utf8).write(to: url)
    }
    let golden = try Data(contentsOf: url)
    #expect(Data(text.utf8) == golden, "\(file) would be:\n\(text)", sourceLocation: sourceLocation)
  }
}
