import CFiles
import Glibc
import Synchronization

/// The names of temporary files: `.quern-`, 13 digits in base 36, and `.tmp`.
enum TemporaryName {
  private static let prefix = ".quern-"
  private static let suffix = ".tmp"
  private static let digitCount = 13
  private static let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

  /// The folders that this process has cleaned up.
  private static let visited = Mutex(Set<String>())

  /// A name that no file has, in all likelihood.
  static func random() -> String {
    let name = (0..<digitCount).map { _ in digits[Int.random(in: digits.indices)] }
    return prefix + String(decoding: name, as: UTF8.self) + suffix
  }

  /// Whether a name could be one of `random()`.
  static func matches(_ name: String) -> Bool {
    name.utf8.count == prefix.utf8.count + digitCount + suffix.utf8.count && name.hasPrefix(prefix)
      && name.hasSuffix(suffix) && name.utf8.dropFirst(prefix.utf8.count).prefix(digitCount).allSatisfy(digits.contains)
  }

  /// Removes the temporary files that killed processes left in a folder, once for each folder. They have such a name,
  /// belong to this user, and no process holds their lock. What cannot be listed or removed stays.
  static func removeAbandoned(in folder: String) {
    guard visited.withLock({ $0.insert(folder).inserted }) else { return }
    guard let stream = opendir(folder) else { return }
    defer { closedir(stream) }
    while let entry = readdir(stream) {
      let bytes = UnsafeRawPointer(entry) + (MemoryLayout<dirent>.offset(of: \.d_name) ?? 0)
      let name = bytes.assumingMemoryBound(to: CChar.self)
      // Most names are told apart by their first bytes.
      guard name[0] == CChar(UInt8(ascii: ".")), name[1] == CChar(UInt8(ascii: "q")) else { continue }
      if matches(String(cString: name)) { _ = quern_remove_abandoned(dirfd(stream), name) }
    }
  }
}
