import CFiles
import Glibc
import Threads

/// The names of temporary files: `.quern-`, 13 digits in base 36, and `.tmp`.
enum TemporaryName {
  private static let prefix = ".quern-"
  private static let suffix = ".tmp"
  private static let digitCount = 13
  private static let digits = Array("0123456789abcdefghijklmnopqrstuvwxyz".utf8)

  /// The folders that this process has cleaned up.
  private static let visited = Mutex(Set<ExactName>())

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
    guard visited.withLock({ $0.insert(ExactName(folder)).inserted }) else { return }
    guard let names = try? Folder.names(in: folder).filter(matches), !names.isEmpty else { return }
    let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard descriptor >= 0 else { return }
    defer { close(descriptor) }
    for name in names { _ = quern_remove_abandoned(descriptor, name) }
  }
}
