import Fidelity
import Foundation
import Testing

/// Numbers in messages, compared with those of Foundation, which formats without regard to a locale, too.
@Suite struct TextTests {
  @Test(arguments: [
    0, -0.0, 0.125, -2.5, 12.25, 0.05, 1e-5, 99_999.95, 123_456_789, 1e22, .infinity, .nan, .leastNonzeroMagnitude,
    -.greatestFiniteMagnitude,
  ])
  func numbersAreThoseOfPrintf(_ value: Double) {
    #expect(formatted("%.2f", value) == String(format: "%.2f", value))
    #expect(formatted("%.3g MB", value) == String(format: "%.3g MB", value))
    #expect(formatted("%5.1f %% of %8.3f", value, -value) == String(format: "%5.1f %% of %8.3f", value, -value))
  }

  @Test func textWithoutNumbersIsKept() { #expect(formatted("µm …") == "µm …") }

  @Test(arguments: [
    (0, "0"), (0.00505, "0.00505"), (0.014, "0.0140"), (0.0157423, "0.0157"), (2.02e-5, "0.0000202"),
    (4e-9, "0.0000000"), (-0.0007412, "-0.000741"), (1.5, "1.50"), (25000, "25000"), (99.96, "100.0"), (999.6, "1000"),
  ])
  func drifts(value: Double, text: String) { #expect(significant(value) == text) }

  /// All and none are shown for nothing else.
  @Test(arguments: [
    (98.163, false, "98.2"), (98.163, true, "98.16"), (100, false, "100"), (99.96, false, "99.96"),
    (99.998, true, "99.998"), (0, false, "0"), (-0.0, false, "0"), (0.04, false, "0.04"), (-0.24, false, "-0.2"),
    (60, false, "60.0"), (-100, false, "-100"), (-99.97, false, "-99.97"),
  ])
  func percentages(percent: Double, isPrecise: Bool, text: String) {
    #expect(percentDigits(percent, isPrecise: isPrecise) == text)
  }
}
