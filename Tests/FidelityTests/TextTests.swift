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
}
