import Fidelity
import Files
import Foundation
import Images
import Threads

/// The SHA-256 of each of a list of image files, by which images are the same whatever their names.
struct ContentHashes {
  private let files: [ImageFolder.File]
  /// `nil` for files that cannot be read; reading them for their pixels says why.
  private let digests: [SHA256.Digest?]

  init(_ files: [ImageFolder.File], threads: Int) {
    let digests = SlotStore<SHA256.Digest>()
    ThreadTeam(count: min(threads, files.count)).forEach(files.count) { index, _ in
      if let bytes = try? ImageFile.read(files[index].path) { digests[index] = SHA256.hash(bytes) }
    }
    self.files = files
    self.digests = files.indices.map { digests[$0] }
  }

  /// The names of the files whose content is that of one of `others`, in their order.
  func names(alsoIn others: ContentHashes) -> [String] { names(alsoIn: others.keys) }

  /// The same by the keys of others.
  func names(alsoIn keys: ImageKeys) -> [String] {
    zip(files, digests).compactMap { file, digest in
      digest.map(keys.contains) == true ? file.relativePath : nil
    }
  }

  var keys: ImageKeys { ImageKeys(digests.compactMap { $0 }) }

  /// - Parameter folder: by whose own name the set is named.
  func set(of folder: String) -> ImageSet {
    ImageSet(name: FolderName.of(folder), images: files.count, sha256: setDigest)
  }

  /// The SHA-256 of the files' SHA-256 in hexadecimal, sorted, each on a line of its own: what
  /// `sha256sum FILES | cut -c1-64 | sort | sha256sum` prints. Files that cannot be read have no part in it.
  private var setDigest: String {
    let lines = digests.compactMap { $0?.hex }.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    return SHA256.hash(Array(lines.map { $0 + "\n" }.joined().utf8)).hex
  }
}

/// The beginnings of images' SHA-256, enough to tell whether an image is one of a set: a package carries those of the images
/// that it was calibrated on.
struct ImageKeys: Equatable {
  /// Of the hexadecimal digits. By 48 bits 10 000 images and 300 others are mistaken for each other once in 90 million times.
  static let length = 12
  /// Larger sets are not carried.
  static let limit = 4096

  private let keys: Set<Substring>

  init(_ digests: [SHA256.Digest]) { keys = Set(digests.map { $0.hex.prefix(Self.length) }) }

  /// Reads what `text` gives; `nil` where it is something else.
  init?(text: String) {
    guard text.utf8.count.isMultiple(of: Self.length), text.allSatisfy({ $0.isHexDigit && $0.isASCII }) else {
      return nil
    }
    var (keys, rest) = (Set<Substring>(), text[...])
    while !rest.isEmpty {
      keys.insert(rest.prefix(Self.length))
      rest = rest.dropFirst(Self.length)
    }
    self.keys = keys
  }

  func contains(_ digest: SHA256.Digest) -> Bool { keys.contains(digest.hex.prefix(Self.length)) }

  /// The keys in ascending order, one after the other; `nil` for too many.
  var text: String? {
    keys.count > Self.limit ? nil : keys.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.joined()
  }
}

/// What a folder is called, wherever it lies.
enum FolderName {
  static func of(_ path: String) -> String {
    let name = path.split(separator: "/").last.map(String.init) ?? ""
    guard ["", ".", ".."].contains(name), let resolved = OutputTarget.resolved(path) else { return name }
    return resolved.split(separator: "/").last.map(String.init) ?? "/"
  }
}
