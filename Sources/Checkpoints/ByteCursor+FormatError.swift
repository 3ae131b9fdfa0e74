import Files

/// Reads that throw `FormatError`, so that readers need not translate errors at every field.
extension ByteCursor {
  @inline(__always)
  mutating func value<Value: FixedWidthInteger & BitwiseCopyable>(
    _ type: Value.Type, _ field: String
  ) throws(FormatError) -> Value {
    do { return try read(type, field) } catch { throw .truncated(error) }
  }

  mutating func count(_ field: String) throws(FormatError) -> Int {
    do { return try readCount(field) } catch { throw .truncated(error) }
  }

  @discardableResult
  mutating func pass(_ count: Int, _ field: String) throws(FormatError) -> Range<Int> {
    do { return try skip(count, field) } catch { throw .truncated(error) }
  }

  mutating func move(to offset: Int, _ field: String) throws(FormatError) {
    do { try seek(to: offset, field) } catch { throw .truncated(error) }
  }

  /// The next `count` bytes as UTF-8.
  mutating func name(_ count: Int, _ field: String) throws(FormatError) -> String {
    let start = offset
    guard let text = text(in: try pass(count, field)) else {
      throw .malformed(field: field, offset: start, reason: "it is not \(String.fileTextRule)")
    }
    return text
  }
}
