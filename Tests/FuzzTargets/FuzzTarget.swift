import Files
import Tensors

/// A parser that is fuzzed. The fuzzer (Tests/Fuzzer) runs it with mutated files, and FuzzingTests with the files that
/// once showed a defect.
package struct FuzzTarget: Sendable {
  /// The name on the command line, and of the target's folder in fixtures/fuzzing.
  package let name: String
  /// The files in `fixtures` to start from: paths, with `*` for a part of the last component.
  package let seeds: [String]
  /// Words that occur in files of the format, which mutation inserts.
  package let words: [String]
  /// The limit of an input in bytes.
  package let byteLimit: Int
  /// Parses an input. It may throw any error; a trap, too much time or too much memory is a defect.
  package let parse: @Sendable (_ input: FuzzInput) throws -> Void

  init(
    _ name: String, seeds: [String] = [], words: [String] = [], byteLimit: Int = 4096,
    parse: @escaping @Sendable (FuzzInput) throws -> Void
  ) {
    (self.name, self.seeds, self.words, self.byteLimit, self.parse) = (name, seeds, words, byteLimit, parse)
  }

  /// All targets, in the order in which they are documented.
  package static let all = checkpoints + networks + packages + texts + images

  /// Parses an input as a command would: an error is the expected answer to a bad file.
  ///
  /// - Parameter alwaysDescribes: whether to make the message of every error, rather than of one in 16, which is faster.
  package func run(_ bytes: UnsafeRawBufferPointer, alwaysDescribes: Bool = true) {
    do { try parse(FuzzInput(bytes)) } catch {
      guard alwaysDescribes || bytes.prefix(64).reduce(0, &+) & 15 == 0 else { return }
      precondition(!"\(error)".isEmpty, "an error without a message")
    }
  }

  /// As above, with the bytes of an array.
  package func run(_ bytes: [UInt8]) { bytes.withUnsafeBytes { run($0) } }

  /// Whether the parser accepts an input.
  package func accepts(_ bytes: [UInt8]) -> Bool {
    bytes.withUnsafeBytes { bytes in (try? parse(FuzzInput(bytes))) != nil }
  }
}

extension FuzzTarget {
  /// Parses an input in several ways.
  ///
  /// - Throws: the last error where none of them accepts it.
  static func any<Way>(of ways: [Way], _ parse: (Way) throws -> Void) throws {
    var (failure, isAccepted): ((any Error)?, Bool) = (nil, false)
    for way in ways {
      do {
        try parse(way)
        isAccepted = true
      } catch { failure = error }
    }
    if let failure, !isAccepted { throw failure }
  }
}

/// The bytes that a target is given, in the forms that parsers take.
package struct FuzzInput {
  /// The bytes, which are valid while the target runs.
  package let bytes: UnsafeRawBufferPointer
  /// The bytes as a storage, which views them.
  package let storage: TensorStorage

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    storage = TensorStorage(borrowing: bytes, release: {})
  }

  /// The bytes as an array.
  var array: [UInt8] { Array(bytes) }

  /// The bytes as a text, with a mark in place of what is not UTF-8.
  var text: String { String(decoding: bytes, as: UTF8.self) }

  /// The bytes as an open file.
  func file(path: String = "input") throws(FileError) -> MappedFile { try MappedFile(storage: storage, path: path) }

  /// A file in memory with these bytes, for parsers that open a path themselves.
  ///
  /// - Parameter name: the name of the file, which may decide how it is read.
  func path(named name: String) -> String { ScratchFolder.write(bytes, to: name) }
}
