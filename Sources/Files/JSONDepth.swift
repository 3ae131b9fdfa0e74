/// How deeply the values of a JSON text are nested. Decoders take time in proportion to the depth for each value, so
/// texts of files are checked first.
package enum JSONDepth {
  /// Whether arrays and objects are nested more than `limit` deep. Brackets within strings do not count. The time is
  /// that of one look at each byte; a text that is not JSON has some answer as well.
  package static func exceeds(_ limit: Int, _ bytes: some Sequence<UInt8>) -> Bool {
    var (depth, isInString, isEscaped) = (0, false, false)
    for byte in bytes {
      if isInString {
        if isEscaped {
          isEscaped = false
        } else if byte == UInt8(ascii: "\\") {
          isEscaped = true
        } else if byte == UInt8(ascii: "\"") {
          isInString = false
        }
        continue
      }
      switch byte {
      case UInt8(ascii: "\""): isInString = true
      case UInt8(ascii: "["), UInt8(ascii: "{"):
        depth += 1
        if depth > limit { return true }
      case UInt8(ascii: "]"), UInt8(ascii: "}"): depth = max(0, depth - 1)
      default: break
      }
    }
    return false
  }
}
