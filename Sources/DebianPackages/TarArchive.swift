/// An archive in the ustar format (POSIX.1-2017, pax), which all versions of dpkg read. Folders and files belong to
/// root, and all have the same time.
struct TarArchive {
  /// The bytes so far, without the end of the archive.
  private var bytes: [UInt8] = []
  /// The time of all members, in seconds since 1970.
  private let time: Int

  private static let blockSize = 512
  /// The largest number of 11 octal digits.
  static let maxNumber = 1 << 33 - 1

  init(time: Int) { self.time = time }

  /// Appends a folder, whose path ends with a slash.
  ///
  /// - Throws: `DebianError.cannotStore`.
  mutating func addFolder(_ path: String) throws(DebianError) { try addHeader(path, size: 0, mode: 0o755, type: "5") }

  /// Appends a file that everybody may read.
  ///
  /// - Throws: `DebianError.cannotStore`.
  mutating func addFile(_ path: String, _ contents: UnsafeRawBufferPointer) throws(DebianError) {
    try addHeader(path, size: contents.count, mode: 0o644, type: "0")
    bytes += contents
    pad()
  }

  /// The whole archive.
  func finished() -> [UInt8] { bytes + [UInt8](repeating: 0, count: 2 * Self.blockSize) }

  private mutating func pad() {
    let remainder = bytes.count % Self.blockSize
    if remainder > 0 { bytes += [UInt8](repeating: 0, count: Self.blockSize - remainder) }
  }

  private mutating func addHeader(_ path: String, size: Int, mode: Int, type: Unicode.Scalar) throws(DebianError) {
    guard path.utf8.count <= 100 else { throw .cannotStore("the path \(path) is longer than 100 bytes") }
    guard (0...Self.maxNumber).contains(size), (0...Self.maxNumber).contains(time) else {
      throw .cannotStore("\(path) has \(size) bytes, and the limit is \(Self.maxNumber)")
    }
    var header: [UInt8] = []
    func text(_ text: String, _ length: Int) {
      header += Array(text.utf8) + [UInt8](repeating: 0, count: length - text.utf8.count)
    }
    func octal(_ number: Int, _ digits: Int) {
      let value = String(number, radix: 8)
      text(String(repeating: "0", count: digits - value.count) + value, digits + 1)
    }
    text(path, 100)
    octal(mode, 7)
    octal(0, 7)  // owner
    octal(0, 7)  // group
    octal(size, 11)
    octal(time, 11)
    let checksumOffset = header.count
    text("        ", 8)
    header.append(UInt8(ascii: type))
    text("", 100)
    text("ustar", 6)
    text("00", 2)
    text("root", 32)
    text("root", 32)
    octal(0, 7)
    octal(0, 7)
    header += [UInt8](repeating: 0, count: Self.blockSize - header.count)
    let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
    let checksum = Array((String(repeating: "0", count: 6 - sum.count) + sum + "\0 ").utf8)
    header.replaceSubrange(checksumOffset..<checksumOffset + 8, with: checksum)
    bytes += header
  }
}
