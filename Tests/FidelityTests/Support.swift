import Foundation
import Testing

/// Files under fixtures/fidelity.
enum Fixture {
  static let folder = URL(filePath: #filePath).appending(path: "../../../fixtures/fidelity").standardized

  static func numpy() throws -> NumpyFixture {
    try JSONDecoder().decode(NumpyFixture.self, from: Data(contentsOf: folder.appending(path: "numpy.json")))
  }
}

struct NumpyFixture: Decodable {
  struct DriftCase: Decodable, Sendable, CustomTestStringConvertible {
    let name: String
    let reference: [Float]
    let quantized: [Float]
    let drift: Double
    var testDescription: String { name }
  }
  struct QuantileCase: Decodable, Sendable, CustomTestStringConvertible {
    let values: [Double]
    let quantiles: [Double]
    var testDescription: String { "\(values.count) values" }
  }
  struct SampleSizeCase: Decodable, Sendable {
    let drifts: [Double]
    let limit: Double
    let images: Int
  }
  struct DifferenceCase: Decodable, Sendable {
    let lost: Int
    let gained: Int
    let images: Int
    let low: Double
    let high: Double
  }
  let drifts: [DriftCase]
  /// Drifts, a limit, and the images that would tell the mean from it.
  let sampleSizes: [SampleSizeCase]
  /// Images that only one of two networks gets right, and the interval of the difference of their accuracies.
  let differences: [DifferenceCase]
  let fractions: [Double]
  let quantiles: [QuantileCase]
}
