import Glibc

/// Numbers in messages, which do not depend on a locale.

/// Numbers as C's `printf` writes them. The tool never sets a locale, so the decimal point is a point.
///
/// - Parameters:
///   - format: text with one conversion of a double, such as "%.2g", for each value.
///   - values: the numbers, in the order of their conversions.
package func formatted(_ format: StaticString, _ values: Double...) -> String {
  let format = format.description
  let length = withVaList(values) { vsnprintf(nil, 0, format, $0) }
  precondition(length >= 0, "\(format) is not a format of numbers")
  return String(unsafeUninitializedCapacity: Int(length) + 1) { buffer in
    buffer.withMemoryRebound(to: CChar.self) { text in
      withVaList(values) { Int(vsnprintf(text.baseAddress, text.count, format, $0)) }
    }
  }
}

/// `value` rounded to a fixed number of decimals.
package func fixed(_ value: Double, decimals: Int) -> String {
  let scale = (0..<decimals).reduce(1.0) { power, _ in power * 10 }
  // From 2^53 on, a double has no fraction to round.
  guard let scaled = Int(exactly: (value * scale).rounded()), scaled.magnitude < 1 << 53 else { return "\(value)" }
  let digits = String(scaled.magnitude)
  let padded = String(repeating: "0", count: max(0, decimals + 1 - digits.count)) + digits
  let sign = scaled < 0 ? "-" : ""
  return decimals == 0 ? sign + padded : sign + padded.dropLast(decimals) + "." + padded.suffix(decimals)
}

/// The fewest digits that read back as `value`; integers have no decimal point.
package func shortest(_ value: Double) -> String {
  let text = "\(value)"
  return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
}

/// A positive number with two significant digits, such as "3.1e-07"; "not finite" for NaN and infinity.
package func shortNumber(_ value: Double) -> String {
  guard value.isFinite else { return "not finite" }
  guard value > 0 else { return "0" }
  var (mantissa, exponent) = (value, 0)
  while mantissa >= 10 { (mantissa, exponent) = (mantissa / 10, exponent + 1) }
  while mantissa < 1 { (mantissa, exponent) = (mantissa * 10, exponent - 1) }
  var tenths = Int((mantissa * 10).rounded())
  if tenths == 100 { (tenths, exponent) = (10, exponent + 1) }
  if (-3...2).contains(exponent) {
    return shortest(Double(fixed(value, decimals: max(0, 1 - exponent))) ?? value)
  }
  let digits = tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(tenths % 10)"
  return "\(digits)e\(exponent < 0 ? "-" : "+")\(abs(exponent) < 10 ? "0" : "")\(abs(exponent))"
}

/// A number with three significant digits and at most seven decimals, such as "0.0140" or "25000"; "0" for zero.
package func significant(_ value: Double) -> String {
  guard value != 0 else { return "0" }
  var (decimals, magnitude) = (2, value.magnitude)
  while magnitude < 1, decimals < 7 { (decimals, magnitude) = (decimals + 1, magnitude * 10) }
  while magnitude >= 10, decimals > 0 { (decimals, magnitude) = (decimals - 1, magnitude / 10) }
  return fixed(value, decimals: decimals)
}

/// A percentage, such as "98.2": with one decimal, as a few thousand images have no more to say, or with more where it
/// is precise. "100" and "0" are shown for all of them and none of them alone.
///
/// - Parameter isPrecise: whether the second decimal means something.
package func percentDigits(_ percent: Double, isPrecise: Bool = false) -> String {
  guard percent != 0, percent.magnitude != 100 else { return shortest(percent + 0) }
  for decimals in (isPrecise ? 2 : 1)...4 {
    let text = fixed(percent, decimals: decimals)
    if let rounded = Double(text), rounded != 0, rounded.magnitude != 100 { return text }
  }
  return shortest(percent)
}

/// The number of images from which percentages have two decimals.
package let preciseImages = 10_000

/// A percentage of images, such as "98.2 %"; "-" for nil.
package func shownPercent(_ percent: Double?, of images: Int) -> String {
  percent.map { percentDigits($0, isPrecise: images >= preciseImages) + " %" } ?? missingValue
}

/// The text that reports show for a figure that does not exist.
package let missingValue = "-"
