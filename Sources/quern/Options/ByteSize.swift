import ArgumentParser

/// A number of bytes: "18000000", "18MB" or "18M" (powers of 1000), or "17.5MiB" (powers of 1024).
struct ByteSize: ExpressibleByArgument, Hashable {
  let bytes: Int

  private static let units: [(suffix: String, factor: Double)] = [
    ("KiB", 0x1p10), ("MiB", 0x1p20), ("GiB", 0x1p30), ("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9),
    ("k", 1e3), ("K", 1e3), ("M", 1e6), ("G", 1e9), ("B", 1),
  ]

  init?(argument: String) {
    let unit = Self.units.first { argument.hasSuffix($0.suffix) }
    let digits = argument.dropLast(unit?.suffix.count ?? 0)
    // `Double` would also accept a sign, an exponent, "inf" and hexadecimal digits.
    guard digits.allSatisfy({ $0.isASCII && ($0.isNumber || $0 == ".") }), let number = Double(digits),
      let bytes = Int(exactly: (number * (unit?.factor ?? 1)).rounded(.down)), bytes > 0
    else { return nil }
    self.bytes = bytes
  }
}
