import Glibc
import Threads

/// Files in memory for parsers that open a path. They are overwritten in place, so that writing one takes a few
/// microseconds. One target at a time may use it.
enum ScratchFolder {
  private struct State {
    var folder: String?
    var descriptors: [String: Int32] = [:]
  }

  private static let state = Mutex(State())

  /// The path of the folder, which is removed when the process ends.
  static var path: String { state.withLock { folder(&$0) } }

  /// Writes a file and returns its path.
  static func write(_ bytes: UnsafeRawBufferPointer, to name: String) -> String {
    state.withLock { state in
      let path = "\(folder(&state))/\(name)"
      if state.descriptors[name] == nil {
        let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { fatalError("cannot create \(path): \(String(cString: strerror(errno)))") }
        state.descriptors[name] = descriptor
      }
      guard let descriptor = state.descriptors[name], ftruncate(descriptor, 0) == 0,
        bytes.isEmpty || pwrite(descriptor, bytes.baseAddress, bytes.count, 0) == bytes.count
      else { fatalError("cannot write \(path): \(String(cString: strerror(errno)))") }
      return path
    }
  }

  private static func folder(_ state: inout State) -> String {
    if let folder = state.folder { return folder }
    var template = Array("/dev/shm/quern-fuzz-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else {
      fatalError("cannot create a folder in /dev/shm: \(String(cString: strerror(errno)))")
    }
    let folder = String(decoding: template.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    state.folder = folder
    atexit { ScratchFolder.remove() }
    return folder
  }

  private static func remove() {
    let (folder, names) = state.withLock { ($0.folder, Array($0.descriptors.keys)) }
    guard let folder else { return }
    for name in names { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }
}
