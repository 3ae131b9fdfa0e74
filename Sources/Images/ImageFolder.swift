import Files
import Glibc
import Pixels
import Suggestions

/// The image files of a folder and of its subfolders at any depth.
///
/// Files whose names end in .jpg, .jpeg, .png or .webp (in any case) count as images. All other files are ignored, as
/// are names that start with a dot; those that are named like images of other formats are counted. Symbolic links are
/// followed, but each folder is read only once (under its first path in sorted order), so that loops of links end. A
/// folder with all images in subfolders is labelled: the sorted names of its subfolders are the classes, including
/// those without images, so that the numbers of a classifier's classes are kept. A folder that directly contains
/// images is unlabelled. Names are ordered by their UTF-8 bytes, whatever the locale.
package struct ImageFolder: Hashable, Sendable {
  /// An image file of a folder.
  package struct File: Hashable, Sendable {
    /// The path relative to the folder, with slashes: `n01440764/tench.jpg`.
    package let relativePath: String
    /// The folder's path as it was given, followed by the relative path.
    package let path: String
    /// The index of the file's class; `nil` in an unlabelled folder.
    package let label: Int?
    /// The name of the file's class; `nil` in an unlabelled folder.
    package let className: String?

    package init(relativePath: String, path: String, label: Int? = nil, className: String? = nil) {
      self.relativePath = relativePath
      self.path = path
      self.label = label
      self.className = className
    }

    /// Names of files are told apart by their bytes.
    package static func == (a: File, b: File) -> Bool {
      a.relativePath.isExactly(b.relativePath) && a.path.isExactly(b.path) && a.label == b.label
        && a.className == b.className
    }

    package func hash(into hasher: inout Hasher) { hasher.combine(ExactName(path)) }
  }

  /// The path as it was given.
  package let path: String
  /// The files in the order of their relative paths.
  package let files: [File]
  /// The class names in the order of their labels; empty in an unlabelled folder.
  package let classNames: [String]
  /// The number of files that were ignored, including hidden ones.
  package let ignoredCount: Int
  /// The numbers of ignored files that are named like images of formats that are not decoded, by the names of these.
  package let otherFormats: [String: Int]

  /// Whether the files have classes.
  package var isLabelled: Bool { !classNames.isEmpty }

  /// Lists the folder.
  ///
  /// - Throws: `ImageError.at` with the path, around `.system` (no such folder, or no permission), `.notAFolder`,
  ///   `.archive`, `.lfsPointer`, `.nameNotText` or `.noImages`.
  package init(path: String) throws(ImageError) {
    var scan = FolderScan(root: path)
    try scan.run()
    guard !scan.images.isEmpty else {
      throw .at(path: path, .noImages(ignored: scan.ignored, otherFormats: scan.otherFormats))
    }
    let isFlat = scan.images.contains { !$0.utf8.contains(UInt8(ascii: "/")) }
    let classNames = isFlat ? [] : scan.topFolders.sorted(by: precedesInUTF8)
    var labels: [ExactName: Int] = [:]
    for (label, name) in classNames.enumerated() { labels[ExactName(name)] = label }
    self.path = path
    self.classNames = classNames
    ignoredCount = scan.ignored
    otherFormats = scan.otherFormats
    self.files = scan.images.sorted(by: precedesInUTF8).map { relativePath in
      let label = labels[ExactName(relativePath.topFolder)]
      return File(
        relativePath: relativePath, path: joined(path, relativePath), label: label,
        className: label.map { classNames[$0] })
    }
  }

  /// `count` files spread evenly over the sorted list: those at the indices `floor(i * files.count / count)`, or all
  /// files if there are no more.
  package func spreadSample(count: Int) -> [File] {
    files.spread(max(count, 0))
  }
}

private func precedesInUTF8(_ left: String, _ right: String) -> Bool {
  left.utf8.lexicographicallyPrecedes(right.utf8)
}

private func joined(_ folder: String, _ name: String) -> String {
  folder.utf8.last == UInt8(ascii: "/") ? folder + name : folder + "/" + name
}

/// One walk over a folder, depth first in sorted order.
private struct FolderScan {
  let root: String
  var images: [String] = []
  var topFolders: [String] = []
  var ignored = 0
  var otherFormats: [String: Int] = [:]
  private var visited: Set<Identity> = []

  /// Identifies a folder, whatever path leads to it.
  private struct Identity: Hashable {
    var device: UInt64
    var node: UInt64
  }

  private enum Kind {
    case folder(Identity)
    case regular
    case other
  }

  init(root: String) { self.root = root }

  mutating func run() throws(ImageError) {
    var pending = [""]
    while let folder = pending.popLast() {
      let absolute = folder.isEmpty ? root : joined(root, folder)
      switch try kind(of: absolute) {
      case .folder(let identity): guard visited.insert(identity).inserted else { continue }
      case .regular: throw .at(path: absolute, Self.placeholder(absolute) ?? .notAFolder)
      case .other: throw .at(path: absolute, .notAFolder)
      }
      let subfolders = try read(folder: folder, absolute: absolute)
      if folder.isEmpty { topFolders = subfolders }
      pending.append(contentsOf: subfolders.sorted(by: precedesInUTF8).reversed())
    }
  }

  /// Adds the folder's images, and returns the relative paths of its subfolders.
  private mutating func read(folder: String, absolute: String) throws(ImageError) -> [String] {
    var subfolders: [String] = []
    for name in try names(in: absolute) {
      let relative = folder.isEmpty ? name : joined(folder, name)
      let isImage = Self.hasImageExtension(name)
      let kind: Kind
      do throws(ImageError) { kind = try self.kind(of: joined(root, relative)) } catch {
        // A name that no longer leads to a file, such as a dangling link, is ignored, unless it is that of an image:
        // reading that will report what is wrong.
        guard error.isOfImage else { throw error }
        kind = isImage ? .regular : .other
      }
      switch kind {
      case .folder: subfolders.append(relative)
      // Reading something else by the name of an image, such as a FIFO, will say that it is none.
      case .regular where isImage, .other where isImage: images.append(relative)
      case .regular:
        ignored += 1
        if let format = Self.otherFormat(name) { otherFormats[format, default: 0] += 1 }
      case .other: ignored += 1
      }
    }
    return subfolders
  }

  /// The names that are not hidden. Names that are no texts (`String.init(ofFile:)`) are counted as ignored, unless
  /// they are those of images or folders.
  private mutating func names(in absolute: String) throws(ImageError) -> [String] {
    guard let stream = opendir(absolute) else {
      throw .at(path: absolute, .system(operation: "open the folder", number: errno))
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        guard errno == 0 else {
          throw .at(path: absolute, .system(operation: "read the folder", number: errno))
        }
        return names
      }
      let bytes = UnsafeRawPointer(entry) + (MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
      let name = bytes.assumingMemoryBound(to: CChar.self)
      if name[0] == CChar(UInt8(ascii: ".")) {
        if strcmp(name, ".") != 0 && strcmp(name, "..") != 0 { ignored += 1 }
      } else if let text = String(ofFile: UnsafeRawBufferPointer(start: name, count: strlen(name))) {
        names.append(text)
      } else {
        let text = String(cString: name)
        var status = stat()
        // Links to folders are followed, and some file systems do not tell folders in the listing.
        let isFolder = fstatat(dirfd(stream), name, &status, 0) == 0 && status.st_mode & S_IFMT == S_IFDIR
        guard !Self.hasImageExtension(text), !isFolder else {
          throw .at(path: absolute, .nameNotText(text, rule: String.fileTextRule))
        }
        ignored += 1
      }
    }
  }

  private func kind(of absolute: String) throws(ImageError) -> Kind {
    var status = stat()
    guard stat(absolute, &status) == 0 else {
      throw .at(path: absolute, .system(operation: "open the folder", number: errno))
    }
    switch status.st_mode & S_IFMT {
    case S_IFDIR: return .folder(Identity(device: UInt64(status.st_dev), node: UInt64(status.st_ino)))
    case S_IFREG: return .regular
    default: return .other
    }
  }

  /// What a file is that stands for a folder; `nil` where that is not known.
  private static func placeholder(_ path: String) -> ImageError? {
    let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard file >= 0 else { return nil }
    defer { close(file) }
    return withUnsafeTemporaryAllocation(byteCount: InputAdvice.byteCount, alignment: 1) { buffer in
      let count = Glibc.read(file, buffer.baseAddress, buffer.count)
      return count > 0 ? ImageError.placeholder(UnsafeRawBufferPointer(rebasing: buffer[..<count])) : nil
    }
  }

  private static let otherExtensions = [
    "avif": "AVIF", "bmp": "BMP", "gif": "GIF", "heic": "HEIC", "heif": "HEIC", "jp2": "JPEG 2000", "jxl": "JPEG XL",
    "tif": "TIFF", "tiff": "TIFF",
  ]

  /// The format that a name promises, if images of it are not decoded.
  private static func otherFormat(_ name: String) -> String? { pathExtension(name).flatMap { otherExtensions[$0] } }

  private static func hasImageExtension(_ name: String) -> Bool {
    pathExtension(name).map { ["jpg", "jpeg", "png", "webp"].contains($0) } ?? false
  }

  /// What follows the last dot, in lower case.
  private static func pathExtension(_ name: String) -> String? {
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return nil }
    return String(decoding: name.utf8[name.utf8.index(after: dot)...], as: UTF8.self).lowercased()
  }
}

extension Array {
  /// At most `limit` elements, spread evenly: those at the indices `floor(i * count / limit)`.
  package func spread(_ limit: Int) -> [Element] {
    let limit = Swift.min(limit, count)
    return (0..<limit).map { self[$0 * count / limit] }
  }
}
