import CQuern

/// A struct of the interface that begins with its size.
protocol SizedStruct {
  /// All fields 0, as C initialises them.
  init()
  /// The size of the struct in the first version of the interface.
  static var firstSize: Int { get }
}

extension quern_model_options: SizedStruct { static var firstSize: Int { 24 } }
extension quern_session_options: SizedStruct { static var firstSize: Int { 32 } }
extension quern_fidelity: SizedStruct { static var firstSize: Int { 144 } }
extension quern_memory: SizedStruct { static var firstSize: Int { 40 } }
extension quern_selftest_options: SizedStruct { static var firstSize: Int { 24 } }
extension quern_selftest_result: SizedStruct { static var firstSize: Int { 64 } }

extension SizedStruct {
  /// No struct of the interface will be as large. A `struct_size` that was not initialised nearly always is.
  private static var sizeLimit: Int { 4096 }

  private static func size(at pointer: UnsafeRawPointer) throws(Failure) -> Int {
    let size = pointer.loadUnaligned(as: Int.self)
    guard firstSize...sizeLimit ~= size, size % MemoryLayout<Self>.alignment == 0 else {
      throw .invalid("\(Self.self).struct_size is \(size); initialise the struct with its macro")
    }
    return size
  }

  /// The options that a caller gives, whatever version of the header it was compiled with.
  ///
  /// - Throws: a failure for a size that no version has, and for fields of later versions that are not 0.
  static func read(_ pointer: UnsafePointer<Self>?) throws(Failure) -> Self {
    guard let pointer else { return Self() }
    let source = UnsafeRawPointer(pointer)
    let size = try size(at: source)
    for offset in MemoryLayout<Self>.size..<max(size, MemoryLayout<Self>.size)
    where source.load(fromByteOffset: offset, as: UInt8.self) != 0 {
      throw Failure(
        QUERN_ERROR_UNSUPPORTED, "\(Self.self) has a field at byte \(offset) that this version of libquern lacks")
    }
    var options = Self()
    withUnsafeMutableBytes(of: &options) { target in
      target.copyMemory(from: UnsafeRawBufferPointer(start: source, count: min(size, target.count)))
    }
    return options
  }

  /// Writes a result, as much of it as the caller has memory for. Its size is left as it is, and what this version does
  /// not know becomes 0.
  ///
  /// - Throws: a failure for a NULL pointer, and for a size that no version has.
  func write(to pointer: UnsafeMutablePointer<Self>?, _ name: String) throws(Failure) {
    guard let pointer else { throw .invalid("\(name) is NULL") }
    let target = UnsafeMutableRawPointer(pointer)
    let size = try Self.size(at: target)
    let header = MemoryLayout<Int>.size
    (target + header).initializeMemory(as: UInt8.self, repeating: 0, count: size - header)
    withUnsafeBytes(of: self) { source in
      let fields = source[header..<min(size, source.count)]
      UnsafeMutableRawBufferPointer(start: target + header, count: fields.count).copyBytes(from: fields)
    }
  }

  /// Writes results to an array whose first element states the size of all of them.
  ///
  /// - Throws: as `write`.
  static func write(_ results: [Self], to first: UnsafeMutablePointer<Self>, _ name: String) throws(Failure) {
    let stride = try size(at: UnsafeRawPointer(first))
    for (index, result) in results.enumerated() {
      let element = UnsafeMutableRawPointer(first) + index * stride
      element.storeBytes(of: stride, as: Int.self)
      try result.write(to: element.assumingMemoryBound(to: Self.self), "\(name)[\(index)]")
    }
  }

  /// Checks the size of a struct that results will be written to.
  ///
  /// - Throws: as `write`.
  static func check(_ pointer: UnsafeMutablePointer<Self>?, _ name: String) throws(Failure) {
    guard let pointer else { throw .invalid("\(name) is NULL") }
    _ = try size(at: UnsafeRawPointer(pointer))
  }
}
