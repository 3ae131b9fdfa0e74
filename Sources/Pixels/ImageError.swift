import Glibc
import Suggestions

/// The supported image formats.
package enum ImageFormat: String, Hashable, Sendable, CaseIterable, CustomStringConvertible {
  case jpeg = "JPEG"
  case png = "PNG"
  case webp = "WebP"

  package var description: String { rawValue }
}

/// Why an image, an image file or a folder of images cannot be used.
package enum ImageError: Error, Hashable, Sendable {
  /// The file has no bytes.
  case empty
  /// The first bytes are those of no known image format.
  case unrecognized
  /// A pointer that Git LFS left in place of a file that it has not fetched.
  case lfsPointer
  /// An archive instead of an image or of a folder of images; `kind` has an article.
  case archive(kind: String)
  /// An image format that is not supported, by its name.
  case unsupportedFormat(String)
  /// A file of a supported format that uses a feature that is not supported.
  case unsupported(ImageFormat, problem: String)
  /// The data ends before the last pixel.
  case truncated(ImageFormat, byteCount: Int)
  /// The data contradicts the format; `offset` is the number of bytes that had been read by then.
  case corrupt(ImageFormat, offset: Int, problem: String)
  /// A decompression bomb, or an image that is larger than anyone is likely to intend.
  case tooManyPixels(width: Int, height: Int, limit: Int)
  /// An image whose width or height no option allows.
  case sideTooLong(width: Int, height: Int, limit: Int)
  /// A file that is too small for so many pixels to be those of a photograph; `limit` is the number of pixels that it
  /// may have.
  case tooFewBytes(ImageFormat, width: Int, height: Int, fileBytes: Int, limit: Int)
  /// A file whose decoding would take more time, or more memory besides its pixels, than one of its size may.
  case tooMuchWork(ImageFormat, problem: String, fileBytes: Int)
  /// The pixels of an image of this size could not be allocated.
  case outOfMemory(width: Int, height: Int)
  /// The file has more bytes than are allowed.
  case fileTooLarge(byteCount: Int, limit: Int)
  /// The path is a directory, a pipe or a device.
  case notARegularFile
  /// The file has other contents than when it was first read, so that what is said of its hash would not hold.
  case changed
  /// A system call failed; `number` is its `errno`, such as ENOENT.
  case system(operation: String, number: Int32)
  /// A size, crop or box that is not valid for the operation.
  case invalidGeometry(String)
  /// The path of a folder of images leads to something else.
  case notAFolder
  /// A folder or an image in the folder has a name that is not UTF-8, or has more combining marks in a row than a text
  /// may; `name` is the name as far as it is UTF-8, and `rule` what a name has to be.
  case nameNotText(_ name: String, rule: String)
  /// A folder without image files; `ignored` other files were found in it, among them `otherFormats` by the names of
  /// formats that are not decoded.
  case noImages(ignored: Int, otherFormats: [String: Int])
  /// Another of these errors, with the path of the file or folder.
  indirect case at(path: String, ImageError)
}

extension ImageError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .empty: "the file is empty"
    case .unrecognized: "not an image: the first bytes are not those of a JPEG, PNG or WebP file"
    case .lfsPointer: InputAdvice.pointer
    case .archive(let kind): "is \(kind); unpack it and give the folder"
    case .unsupportedFormat(let name): "\(name) images are not supported; convert the file to PNG, JPEG or WebP"
    case .unsupported(let format, let problem): "this kind of \(format) image is not supported: \(problem)"
    case .truncated(let format, let byteCount):
      "the \(format) image is truncated: its \(byteCount) bytes end before its last pixel"
    case .corrupt(let format, let offset, let problem):
      "the \(format) image is corrupt near byte \(offset): \(problem)"
    case .tooManyPixels(let width, let height, let limit):
      "the image has \(width)x\(height) pixels, more than the \(limit) that are allowed; --max-image-pixels changes "
        + "the limit"
    case .sideTooLong(let width, let height, let limit):
      "the image has \(width)x\(height) pixels, and no side may have more than \(limit), whatever the options: split "
        + "the image, or resize it"
    case .tooFewBytes(let format, let width, let height, let fileBytes, let limit):
      "the \(format) image has \(width)x\(height) pixels, and a file of \(fileBytes) bytes may have at most \(limit); "
        + "--max-image-pixels sets a limit for files of any size"
    case .tooMuchWork(let format, let problem, let fileBytes):
      "the \(format) image takes too much time or memory for a file of \(fileBytes) bytes: \(problem); save it "
        + "with fewer scans or as PNG, or set --max-image-pixels, which allows as much as its pixels need"
    case .outOfMemory(let width, let height): "not enough memory for an image of \(width)x\(height) pixels"
    case .fileTooLarge(let byteCount, let limit):
      "the file has \(byteCount) bytes, more than the \(limit) that are allowed for an image"
    case .notARegularFile: "not a regular file"
    case .changed: "was changed while it was in use; run the command again when nothing writes to it"
    case .system(let operation, let number): "cannot \(operation): \(errorText(number))"
    case .invalidGeometry(let problem): problem
    case .notAFolder: "not a folder"
    case .nameNotText(let name, let rule):
      "'\(name)' in this folder has a name that is not \(rule), by which nothing can refer to it; rename it"
    case .noImages(let ignored, let otherFormats):
      "no .jpg, .jpeg, .png or .webp files in the folder or its subfolders"
        + (Self.undecoded(otherFormats).map { ", only \($0)" }
          ?? (ignored == 0 ? "" : " (\(ignored) other \(ignored == 1 ? "file" : "files") ignored)"))
    case .at(let path, .system(_, ENOENT)): "\(path): \(InputAdvice.url(path) ?? "\(underlying)")"
    case .at(let path, let error): "\(path): \(error)"
    }
  }
}

extension ImageError {
  /// Such as "12 HEIC and 3 TIFF images, which are not decoded; convert them to PNG, JPEG or WebP"; `nil` without any.
  ///
  /// - Parameter formats: the numbers of files, by the names of their formats.
  package static func undecoded(_ formats: [String: Int]) -> String? {
    guard !formats.isEmpty else { return nil }
    let counts = formats.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }.map { "\($0.value) \($0.key)" }
    let isSingle = formats.values.reduce(0, +) == 1
    return listed(counts)
      + (isSingle
        ? " image, which is not decoded; convert it to PNG, JPEG or WebP"
        : " images, which are not decoded; convert them to PNG, JPEG or WebP")
  }

  /// Whether the image itself is at fault. An error of the system (a disk that fails, a lack of memory or descriptors,
  /// a permission) says nothing about the image: leaving the image out would give another result for a passing reason.
  package var isOfImage: Bool {
    switch underlying {
    // A link that leads nowhere is as good as a file that is damaged.
    case .system(_, let number): number == ENOENT || number == ENOTDIR || number == ELOOP
    case .outOfMemory, .changed, .notAFolder, .nameNotText, .noImages: false
    default: true
    }
  }

  /// The error itself, without the path.
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
