import Glibc
import Pixels
import Threads

/// Reads image files.
package enum ImageFile {
  /// Reads and decodes a file.
  ///
  /// - Throws: `ImageError.at` with the path, around any error of reading or decoding.
  package static func load(
    _ path: String, limits: DecodingLimits = .current
  ) throws(ImageError) -> RGBImage {
    try decode(try read(path, limits: limits), path: path, limits: limits)
  }

  /// Reads the bytes of a regular file.
  ///
  /// - Throws: `ImageError.at` with the path, around `.system`, `.notARegularFile`, `.fileTooLarge`, or `.changed`
  ///   (see `ImageContents`).
  package static func read(
    _ path: String, limits: DecodingLimits = .current
  ) throws(ImageError) -> [UInt8] {
    do throws(ImageError) {
      let bytes = try readRegularFile(path, limit: limits.maximumFileBytes)
      guard ImageContents.isSame(bytes, as: path) else { throw .changed }
      return bytes
    } catch {
      // A file that was read before, and is gone or something else now.
      throw .at(path: path, error.isOfImage && ImageContents.isKnown(path) ? .changed : error)
    }
  }

  /// Decodes the bytes of a file.
  ///
  /// - Parameter path: the file's path, for errors.
  /// - Throws: `ImageError.at` with the path, around the errors of `RGBImage.init(decoding:limits:)`.
  package static func decode(
    _ bytes: [UInt8], path: String, limits: DecodingLimits = .current
  ) throws(ImageError) -> RGBImage {
    try decodeReserving(bytes, path: path, limits: limits).image
  }

  /// Decodes the bytes of a file as `decode` does, after waiting for the memory, and turns the image upright if
  /// `EXIFOrientation.isApplied`.
  ///
  /// - Returns: the image, and the reservation of its memory, which is to be kept as long as the pixels.
  /// - Throws: the errors of `decode`.
  package static func decodeReserving(
    _ bytes: [UInt8], path: String, limits: DecodingLimits = .current
  ) throws(ImageError) -> (image: RGBImage, reservation: DecodingReservation) {
    let turnsUpright = EXIFOrientation.isApplied
    let result = bytes.withUnsafeBytes { buffer in
      Result { () throws(ImageError) in
        try RGBImage.decoding(buffer, limits: limits, turnsUpright: turnsUpright)
      }
    }
    do throws(ImageError) {
      let (image, reservation, orientation) = try result.get()
      if !turnsUpright, orientation != .upright { EXIFOrientation.ignore(path) }
      return (image, reservation)
    } catch {
      throw .at(path: path, error)
    }
  }

  private static func readRegularFile(_ path: String, limit: Int) throws(ImageError) -> [UInt8] {
    // O_NONBLOCK, since a path that the user gives could be a pipe, and opening it would wait for a writer.
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    var status = stat()
    guard file >= 0 else {
      let number = errno
      // No path opens a socket, or a device without a driver.
      let isOther = stat(path, &status) == 0 && ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
      throw isOther ? .notARegularFile : .system(operation: "open the file", number: number)
    }
    defer { close(file) }
    guard fstat(file, &status) == 0 else { throw .system(operation: "read the file", number: errno) }
    guard status.st_mode & S_IFMT == S_IFREG else { throw .notARegularFile }
    let size = Int(status.st_size)
    guard size <= limit else { throw .fileTooLarge(byteCount: size, limit: limit) }
    var failure: CInt = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      while count < size {
        let received = Glibc.read(file, buffer.baseAddress.map { $0 + count }, size - count)
        if received > 0 {
          count += received
        } else if received == 0 {
          break  // The file has become shorter; the decoder will report what is missing.
        } else if errno != EINTR {
          failure = errno
          break
        }
      }
    }
    guard failure == 0 else { throw .system(operation: "read the file", number: failure) }
    return bytes
  }
}

/// What the files of images contained when they were first read, by which a run notices that one was changed between
/// two stages: it would state the hash of bytes that it did not use.
package enum ImageContents {
  private struct State {
    var isWatching = false
    /// Hashes of contents by hashes of paths, which take less memory than paths.
    var keys: [UInt64: UInt64] = [:]
  }

  private static let state = Mutex(State())

  /// Compares each file with its earlier bytes, from now on.
  package static func watch() { state.withLock { $0.isWatching = true } }

  /// Whether a file was read before; `false` unless files are watched.
  static func isKnown(_ path: String) -> Bool {
    let name = ImageFile.key(ofContent: Array(path.utf8))
    return state.withLock { $0.keys[name] != nil }
  }

  /// Whether a file was not read before, or contained the same bytes; `true` unless files are watched.
  static func isSame(_ bytes: [UInt8], as path: String) -> Bool {
    guard state.withLock(\.isWatching) else { return true }
    let (name, key) = (ImageFile.key(ofContent: Array(path.utf8)), ImageFile.key(ofContent: bytes))
    return state.withLock { state in
      if let first = state.keys[name] { return first == key }
      state.keys[name] = key
      return true
    }
  }
}

/// The images that could not be used, with the reasons.
package struct BrokenImages: Hashable, Sendable {
  /// One image that could not be used.
  package struct Entry: Hashable, Sendable {
    /// The path of the file, as it was given.
    package var path: String
    /// The reason, without the path.
    package var error: ImageError
  }

  /// In no order; `entries` sorts them.
  private var unsorted: [Entry] = []

  /// In the order of their paths, so that the result does not depend on which thread was first.
  package var entries: [Entry] {
    unsorted.sorted { $0.path.utf8.lexicographicallyPrecedes($1.path.utf8) }
  }

  /// No images.
  package init() {}

  /// The number of images.
  package var count: Int { unsorted.count }
  /// Whether every image could be used.
  package var isEmpty: Bool { unsorted.isEmpty }

  /// Adds the image at `path`.
  package mutating func record(path: String, error: ImageError) {
    unsorted.append(Entry(path: path, error: error.underlying))
  }

  /// Adds the images that another thread found.
  package mutating func merge(_ other: BrokenImages) { unsorted += other.unsorted }

  package static func == (a: BrokenImages, b: BrokenImages) -> Bool { a.entries == b.entries }

  package func hash(into hasher: inout Hasher) { hasher.combine(entries) }

  /// A line for each of the first ten, and how many more there are.
  package var lines: [String] {
    entries.prefix(10).map { "\($0.path): \($0.error)" }
      + (count > 10 ? ["and \(count - 10) more"] : [])
  }
}
