import ArgumentParser
import Fidelity

/// Three numbers or fractions, such as "0.5,0.5,0.5" or "1/255,1/255,1/255".
struct RGBTriple: ExpressibleByArgument {
  let values: [Float]
  /// The values in the precision of the argument, for messages and limits.
  private let exact: [Double]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let exact = parts.compactMap { Self.number($0) { Double($0) } }
    let values = parts.compactMap { Self.number($0) { Float($0) } }
    guard parts.count == 3, exact.count == 3, values.count == 3, values.allSatisfy(\.isFinite) else { return nil }
    (self.values, self.exact) = (values, exact)
  }

  /// Parses a number, or a fraction of two numbers.
  private static func number<Number: BinaryFloatingPoint>(
    _ text: Substring, _ parse: (Substring) -> Number?
  ) -> Number? {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false).map(parse)
    guard let first = parts[0] else { return nil }
    if parts.count == 1 { return first }
    guard parts.count == 2, let second = parts[1], second > 0 else { return nil }
    return first / second
  }

  /// Refuses values that do not fit pixels from 0 to 1.
  ///
  /// - Throws: `ValidationError`, with the values that were probably meant.
  func validate(_ option: String, allowsZero: Bool) throws {
    let given = exact.map(Self.text).joined(separator: ",")
    let range = allowsZero ? "0...1" : "more than 0 and at most 1"
    guard exact.allSatisfy({ $0 >= 0 && ($0 > 0 || allowsZero) && $0 <= 255 }) else {
      throw ValidationError("\(option) \(given): values must be \(range), for pixels from 0 to 1")
    }
    guard let largest = exact.max(), largest > 1 else { return }
    throw ValidationError(
      "\(option) \(given) looks like values for pixels from 0 to 255, but pixels are from 0 to 1 here, so values must "
        + "be \(range). Divide by 255: \(option) \(exact.map { Self.text($0 / 255) }.joined(separator: ",")). "
        + "Do the same for \(allowsZero ? "--std" : "--mean") if it is meant for the same pixels")
  }

  /// At most four digits after the decimal point, without trailing zeros.
  private static func text(_ value: Double) -> String {
    var text = formatted("%.4f", value)
    while text.hasSuffix("0") { text.removeLast() }
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }
}
