/// The argument of an option is not what the option takes.
struct ArgumentError: Error, CustomStringConvertible {
  /// What to give instead.
  let description: String
}

/// Parses a whole number of a range, for options that take one.
///
/// - Returns: a function for the option's `transform`, which throws `ArgumentError` for anything else.
func wholeNumber<Number: FixedWidthInteger & Sendable>(
  _ range: ClosedRange<Number>
) -> @Sendable (String) throws -> Number {
  { argument in
    guard let number = Number(argument), range.contains(number) else {
      let isBounded = range.upperBound < Number.max
      throw ArgumentError(
        description: "give a whole number "
          + (isBounded ? "from \(range.lowerBound) to \(range.upperBound)" : "of at least \(range.lowerBound)"))
    }
    return number
  }
}

/// Parses one of a few whole numbers, for options that take one.
func wholeNumber(among numbers: [Int]) -> @Sendable (String) throws -> Int {
  { argument in
    guard let number = Int(argument), numbers.contains(number) else {
      throw ArgumentError(description: "give one of \(numbers.map(\.description).joined(separator: ", "))")
    }
    return number
  }
}

/// Parses a finite number, for options that take one.
///
/// - Parameters:
///   - range: the numbers that are allowed, as a message says it: "from -1 to 1".
///   - allowsInfinity: whether "inf" is a number, too.
///   - isAllowed: whether a number is one of them.
/// - Returns: a function for the option's `transform`, which throws `ArgumentError` for anything else.
func number(
  _ range: String = "", allowsInfinity: Bool = false,
  where isAllowed: @escaping @Sendable (Double) -> Bool = { _ in true }
) -> @Sendable (String) throws -> Double {
  { argument in
    // A number that is too large for Double is read as infinity, which was not meant.
    let isInfinity = allowsInfinity && argument == "inf"
    guard let number = Double(argument), number.isFinite || isInfinity, isAllowed(number) else {
      throw ArgumentError(
        description: "give a \(allowsInfinity ? "" : "finite ")number" + (range.isEmpty ? "" : " " + range))
    }
    return number
  }
}
