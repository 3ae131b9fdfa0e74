import Fidelity
import Files
import Images
import Pixels

/// The hashes of a list of image files: of their bytes, which identify the list as other programs would, and of their
/// pixels, which tell whether two images are the same, whatever their names, metadata and compression.
struct ContentHashes {
  private let files: [ImageFolder.File]
  /// `nil` for files that are not images; the stage that decodes them reports the reason.
  private let digests: [SHA256.Digest?]
  /// `nil` for files that cannot be decoded.
  private let pixelDigests: [SHA256.Digest?]

  /// Reads, decodes and hashes files.
  ///
  /// - Throws: `ImageError` for the first file that the system fails to read.
  init(_ files: [ImageFolder.File], threads: Int) throws(ImageError) {
    let (digests, pixelDigests) = (SlotStore<SHA256.Digest>(), SlotStore<SHA256.Digest>())
    try FileContents.forEach(files, threads: threads) { index, bytes throws(ImageError) in
      digests[index] = SHA256.hash(bytes)
      let (image, reservation) = try ImageFile.decodeReserving(bytes, path: files[index].path)
      withExtendedLifetime(reservation) { pixelDigests[index] = image.digest }
    }
    self.files = files
    self.digests = files.indices.map { digests[$0] }
    self.pixelDigests = files.indices.map { pixelDigests[$0] }
  }

  private init(_ hashes: ContentHashes, at indices: [Int]) {
    files = indices.map { hashes.files[$0] }
    digests = indices.map { hashes.digests[$0] }
    pixelDigests = indices.map { hashes.pixelDigests[$0] }
  }

  /// The hashes of some of the files, by their paths.
  func filtered(_ isIncluded: (_ path: String) -> Bool) -> ContentHashes {
    ContentHashes(self, at: files.indices.filter { isIncluded(files[$0].path) })
  }

  /// The number of files.
  var count: Int { files.count }

  /// The names of the files, in their order.
  var names: [String] { files.map(\.relativePath) }

  /// The names of the files whose pixels are those of a file in `others`, in the order of the files.
  func names(alsoIn others: ContentHashes) -> [String] { names(alsoIn: others.keys) }

  /// The names of the files whose pixels are in a set of keys, in the order of the files.
  func names(alsoIn keys: ImageKeys) -> [String] {
    zip(files, pixelDigests).compactMap { file, digest in
      digest.map(keys.contains) == true ? file.relativePath : nil
    }
  }

  var keys: ImageKeys { ImageKeys(pixelDigests.compactMap { $0 }) }

  /// The number of files with the pixels of another file before them; `nil` for none.
  var duplicates: Int? {
    let decoded = pixelDigests.compactMap { $0 }
    let count = decoded.count - Set(decoded).count
    return count > 0 ? count : nil
  }

  /// A description of the files that can be decoded as a set.
  ///
  /// - Parameter folder: the path of the folder that the set is named after.
  func set(of folder: String) -> ImageSet {
    ImageSet(
      name: FolderName.of(folder), images: pixelDigests.count { $0 != nil }, sha256: setDigest, duplicates: duplicates)
  }

  /// The SHA-256 of the sorted hexadecimal SHA-256 of the files, one on each line: the output of
  /// `sha256sum FILES | cut -c1-64 | LC_ALL=C sort | sha256sum`. Files that cannot be decoded are left out.
  private var setDigest: String {
    let lines = zip(digests, pixelDigests).compactMap { $1 == nil ? nil : $0?.hex }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return SHA256.hash(Array(lines.map { $0 + "\n" }.joined().utf8)).hex
  }
}

/// The first digits of the hashes of images' pixels, enough to tell whether an image belongs to a set. A package stores
/// those of the images that it was calibrated on.
struct ImageKeys: Equatable {
  /// The number of hexadecimal digits of a key. With 48 bits, some image out of 300 is mistaken for one of 10 000
  /// others once in 90 million times.
  static let length = 12
  /// The maximum number of keys that a package stores; the keys of larger sets are not stored at all.
  static let limit = 4096

  private var keys: Set<Substring>

  init(_ digests: [SHA256.Digest]) { keys = Set(digests.map { $0.hex.prefix(Self.length) }) }

  /// Parses the value of the property `text`; `nil` where the string is something else.
  init?(text: String) {
    guard text.utf8.count.isMultiple(of: Self.length), text.isLowerCaseHexadecimal else { return nil }
    var (keys, remaining) = (Set<Substring>(), text[...])
    while !remaining.isEmpty {
      keys.insert(remaining.prefix(Self.length))
      remaining = remaining.dropFirst(Self.length)
    }
    self.keys = keys
  }

  /// The number of keys.
  var count: Int { keys.count }

  /// Adds the keys of other images.
  mutating func formUnion(_ other: ImageKeys) { keys.formUnion(other.keys) }

  func contains(_ digest: SHA256.Digest) -> Bool { keys.contains(digest.hex.prefix(Self.length)) }

  /// The keys in ascending order, concatenated; `nil` where there are more than `limit`.
  var text: String? {
    keys.count > Self.limit ? nil : keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.joined()
  }
}

extension RGBImage {
  /// The SHA-256 of the width and the height, as 32-bit little-endian integers, and of the pixels, in rows from the
  /// top, as R, G and B.
  var digest: SHA256.Digest {
    var hash = SHA256()
    for side in [width, height] {
      withUnsafeBytes(of: UInt32(truncatingIfNeeded: side).littleEndian) { hash.update($0) }
    }
    pixels.withUnsafeBytes { hash.update($0) }
    return hash.finalize()
  }
}

/// The name of a folder, without the path that leads to it.
enum FolderName {
  /// The last name of the path, that of a link included, so that it does not depend on where the link leads; of "." and
  /// "..", the name of the folder itself. It is shown and never opened: bytes that are not UTF-8 become U+FFFD.
  static func of(_ path: String) -> String {
    let slash = UInt8(ascii: "/")
    let name = path.utf8.split(separator: slash).last.map { String(Substring($0)) } ?? ""
    guard ["", ".", ".."].contains(name), let resolved = OutputTarget.resolved(path) else { return name }
    return resolved.split(separator: slash).last.map { String(decoding: $0, as: UTF8.self) } ?? "/"
  }
}
