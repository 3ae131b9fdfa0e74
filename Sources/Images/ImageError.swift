import Glibc

/// What can be wrong with a picture, its file or its folder.
package enum ImageError: Error, Hashable, Sendable {
  /// No bytes at all.
  case empty
  /// The first bytes are those of no picture format.
  case unrecognized
  /// A picture format that is not read, by its name.
  case unsupportedFormat(String)
  /// A JPEG or PNG file of a kind that is not read.
  case unsupported(ImageFormat, problem: String)
  /// The data ends before the last pixel.
  case truncated(ImageFormat, byteCount: Int)
  /// The data contradicts the format; `offset` is how many bytes had been taken in by then.
  case corrupt(ImageFormat, offset: Int, problem: String)
  /// A decompression bomb, or a picture too large to be one's intention.
  case tooManyPixels(width: Int, height: Int, limit: Int)
  case outOfMemory(width: Int, height: Int)
  /// The file has more bytes than is allowed.
  case fileTooLarge(byteCount: Int, limit: Int)
  /// A directory, a pipe, a device.
  case notARegularFile
  /// The operating system refused, for the reason of an error number such as ENOENT.
  case system(operation: String, number: Int32)
  /// A size, crop or box that the operation cannot have.
  case invalidGeometry(String)
  case notAFolder
  /// A folder without any picture file; `ignored` other files were seen.
  case noImages(ignored: Int)
  /// Any of the others, with the file or folder it happened at.
  indirect case at(path: String, ImageError)
}

extension ImageError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .empty: "the file is empty"
    case .unrecognized: "not a picture: neither JPEG nor PNG by its first bytes"
    case .unsupportedFormat(let name): "\(name) pictures are not read; convert it to JPEG or PNG"
    case .unsupported(let format, let problem): "\(format) of a kind that is not read: \(problem)"
    case .truncated(let format, let byteCount):
      "the \(format) picture is truncated: its \(byteCount) bytes end before its last pixel"
    case .corrupt(let format, let offset, let problem):
      "the \(format) picture is broken near byte \(offset): \(problem)"
    case .tooManyPixels(let width, let height, let limit):
      "the picture has \(width)x\(height) pixels, more than the \(limit) that are allowed"
    case .outOfMemory(let width, let height): "not enough memory for a picture of \(width)x\(height) pixels"
    case .fileTooLarge(let byteCount, let limit):
      "the file has \(byteCount) bytes, more than the \(limit) that are allowed for a picture"
    case .notARegularFile: "not a regular file"
    case .system(let operation, let number): "cannot \(operation): \(errorText(number))"
    case .invalidGeometry(let problem): problem
    case .notAFolder: "not a folder"
    case .noImages(let ignored):
      "no .jpg, .jpeg or .png files in the folder or below it"
        + (ignored == 0 ? "" : " (\(ignored) other \(ignored == 1 ? "file" : "files") ignored)")
    case .at(let path, let error): "\(path): \(error)"
    }
  }
}

extension ImageError {
  /// The error itself, without the path it happened at.
  package var underlying: ImageError {
    if case .at(_, let error) = self { return error.underlying }
    return self
  }
}

/// The operating system's text for an error number.
private func errorText(_ number: CInt) -> String {
  withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
    guard let text = buffer.baseAddress, strerror_r(number, text, buffer.count) == 0 else {
      return "error \(number)"
    }
    return String(cString: text)
  }
}
