import Glibc

/// The picture files of a folder and of the folders below it.
///
/// Files whose names end in .jpg, .jpeg or .png (in any case) count as pictures; everything else, and whatever name
/// starts with a dot, is ignored. Symbolic links are followed, but each folder is read only once (at its first place
/// in sorted order), which is how a loop of links ends. A folder that holds all of its pictures in subfolders is
/// labelled: the subfolders' names, sorted, are the classes, also those without a picture (they keep the classifier's
/// numbering). A folder with pictures of its own is unlabelled. Names are ordered by their bytes in UTF-8 whatever the
/// locale.
package struct ImageFolder: Hashable, Sendable {
  package struct File: Hashable, Sendable {
    /// From the folder, with slashes: `n01440764/tench.jpg`.
    package let relativePath: String
    /// The folder's path as it was given, and the relative path.
    package let path: String
    /// The index of its class; nil in an unlabelled folder.
    package let label: Int?
    /// The name of its class; nil in an unlabelled folder.
    package let className: String?

    package init(relativePath: String, path: String, label: Int? = nil, className: String? = nil) {
      self.relativePath = relativePath
      self.path = path
      self.label = label
      self.className = className
    }
  }

  /// The path as it was given.
  package let path: String
  /// In the order of their relative paths.
  package let files: [File]
  /// The class names in the order of their labels; empty in an unlabelled folder.
  package let classNames: [String]
  /// How many files were passed over, hidden ones included.
  package let ignoredCount: Int

  package var isLabelled: Bool { !classNames.isEmpty }

  /// Lists the folder.
  ///
  /// - Throws: `ImageError` with the path: no such folder, not a folder, not permitted (with the system's text), or no
  ///   pictures in it.
  package init(path: String) throws(ImageError) {
    var scan = FolderScan(root: path)
    try scan.run()
    guard !scan.images.isEmpty else { throw .at(path: path, .noImages(ignored: scan.ignored)) }
    let isFlat = scan.images.contains { !$0.utf8.contains(UInt8(ascii: "/")) }
    let classNames = isFlat ? [] : scan.topFolders.sorted(by: precedesInUTF8)
    var labels: [Substring: Int] = [:]
    for (label, name) in classNames.enumerated() { labels[name[...]] = label }
    self.path = path
    self.classNames = classNames
    self.ignoredCount = scan.ignored
    self.files = scan.images.sorted(by: precedesInUTF8).map { relativePath in
      let label = labels[relativePath.prefix { $0 != "/" }]
      return File(
        relativePath: relativePath, path: joined(path, relativePath), label: label,
        className: label.map { classNames[$0] })
    }
  }

  /// `count` files spread evenly over the sorted list: those at the positions `floor(i * files.count / count)`; all of
  /// them if there are no more than that.
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
  private var visited: Set<Identity> = []

  /// What tells two folders apart, whatever paths lead to them.
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
      case .regular, .other: throw .at(path: absolute, .notAFolder)
      }
      let subfolders = try read(folder: folder, absolute: absolute)
      if folder.isEmpty { topFolders = subfolders }
      pending.append(contentsOf: subfolders.sorted(by: precedesInUTF8).reversed())
    }
  }

  /// Adds the folder's pictures and returns its subfolders' relative paths.
  private mutating func read(folder: String, absolute: String) throws(ImageError) -> [String] {
    var subfolders: [String] = []
    for name in try names(in: absolute) {
      let relative = folder.isEmpty ? name : joined(folder, name)
      let isImage = Self.hasImageExtension(name)
      // What vanished meanwhile, or is a dangling link, is ignored unless it is named like a picture: then reading it
      // will say what is wrong.
      switch (try? kind(of: joined(root, relative))) ?? (isImage ? .regular : .other) {
      case .folder: subfolders.append(relative)
      case .regular where isImage: images.append(relative)
      case .regular, .other: ignored += 1
      }
    }
    return subfolders
  }

  /// The names that are not hidden; those that are not UTF-8 are counted as ignored.
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
      } else if let text = String(validatingCString: name) {
        names.append(text)
      } else {
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

  private static func hasImageExtension(_ name: String) -> Bool {
    guard let dot = name.utf8.lastIndex(of: UInt8(ascii: ".")) else { return false }
    let suffix = String(decoding: name.utf8[name.utf8.index(after: dot)...], as: UTF8.self).lowercased()
    return suffix == "jpg" || suffix == "jpeg" || suffix == "png"
  }
}

extension Array {
  /// At most `limit` elements, evenly spread.
  package func spread(_ limit: Int) -> [Element] {
    let limit = Swift.min(limit, count)
    return (0..<limit).map { self[$0 * count / limit] }
  }
}
