import Glibc

/// What kind of failure an error is, for whoever turns it into an exit status. The raw values are those of sysexits(3).
package enum FailureKind: Int32, Sendable, Hashable {
  /// The input is there and is not what it should be.
  case badData = 65
  /// The input is not there, or may not be opened.
  case missingInput = 66
  /// The output cannot be created.
  case cannotCreate = 73
  /// Reading or writing failed on the way.
  case inputOutput = 74
}

/// A file that cannot be opened, mapped, created or written. `code` is the `errno` of the call that failed.
package enum FileError: Error, Sendable, Hashable {
  case notFound(path: String)
  case isDirectory(path: String)
  /// Neither a file nor a directory: a device, a pipe, a socket.
  case notRegular(path: String)
  case empty(path: String)
  case cannotOpen(path: String, code: Int32)
  case cannotMap(path: String, code: Int32)
  case cannotCreate(path: String, code: Int32)
  case cannotWrite(path: String, code: Int32)

  package var kind: FailureKind {
    switch self {
    case .notFound, .isDirectory, .notRegular, .cannotOpen: .missingInput
    case .empty: .badData
    case .cannotMap, .cannotWrite: .inputOutput
    case .cannotCreate: .cannotCreate
    }
  }
}

extension FileError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notFound(let path): "\(path): no such file"
    case .isDirectory(let path): "\(path): is a directory, and a file was expected"
    case .notRegular(let path): "\(path): is a device or a pipe, and a file was expected"
    case .empty(let path): "\(path): the file is empty"
    case .cannotOpen(let path, let code): "\(path): cannot be opened: \(errorText(code))"
    case .cannotMap(let path, let code): "\(path): cannot be read: \(errorText(code))"
    case .cannotCreate(let path, let code): "\(path): cannot be created: \(errorText(code))"
    case .cannotWrite(let path, let code): "\(path): cannot be written: \(errorText(code))"
    }
  }
}

/// The C library's words for an `errno`.
private func errorText(_ code: Int32) -> String {
  // Not strerror_r, which has two incompatible forms; strerror's buffer is shared only for unknown codes.
  String(cString: strerror(code))
}
