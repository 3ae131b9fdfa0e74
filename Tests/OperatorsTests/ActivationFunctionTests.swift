import Glibc
import Graphs
import Operators
import ReferenceOperators
import Testing

@Suite struct ActivationFunctionTests {
  private static let arguments: [Double] =
    stride(from: -30.0, through: 30, by: 0.007).map { $0 } + [-1e30, -1e4, -0.0, 1e4, 1e30]

  @Test(arguments: ActivationFunction.examples) func agreesWithReference(function: ActivationFunction) {
    for x in Self.arguments {
      let expected = ActivationReference.value(function, x)
      #expect(abs(function(x) - expected) <= 1e-15 * max(abs(x), 1), "\(x)")
    }
  }

  /// Package format: nothing but the result is rounded to float32, in loops as for one number.
  @Test(arguments: ActivationFunction.examples) func loopsRoundOnce(function: ActivationFunction) {
    for count in [0, 1, 2, 3, 7, 100] {
      let input = (0..<count).map { Float($0) * 0.37 - 11 }
      var output = [Float](repeating: -7, count: count + 1)
      function.apply(input, count, to: &output)
      #expect(output == input.map { Float(function(Double($0))) } + [-7])
    }
  }

  @Test(arguments: ActivationFunction.examples) func nothingIsBelowTheLowerBound(function: ActivationFunction) {
    for bound in [-Double.infinity, -100, -3, -1.5, -1.3, -1, 0, 0.5, 3] {
      let least = function.lowerBound(bound)
      for x in Self.arguments where x >= bound { #expect(Double(Float(function(x))) >= least, "\(x), from \(bound)") }
      #expect(function.lowerBound(max(bound, 0)) == function(max(bound, 0)) || !function.fitsEpilogues)
    }
  }

  /// Arguments beyond the range may be taken for its bounds.
  @Test(arguments: ActivationFunction.examples) func functionIsFlatOutsideResponsiveRange(function: ActivationFunction)
  {
    let range = function.responsiveRange
    #expect(range.contains(0))
    for x in Self.arguments where !range.contains(x) {
      let held = min(max(x, range.lowerBound), range.upperBound)
      #expect(abs(function(x) - function(held)) < 5e-4, "\(x)")
    }
  }

  @Test func exponentialIsThatOfTheLibrary() {
    for x in stride(from: -708.0, through: 709, by: 0.0137) {
      #expect(abs(exponential(x) / exp(x) - 1) <= 5e-16, "\(x)")
    }
    #expect(exponential(0) == 1)
    #expect(exponential(.nan).isNaN)
  }

  /// As formats/package.md has it.
  @Test func elementaryFunctionsAreThoseOfTheLibrary() {
    for x in stride(from: 0.0, through: 26, by: 0.00137) {
      #expect(abs(complementaryErrorFunction(x) / erfc(x) - 1) <= 1e-13, "\(x)")
      #expect(abs(exponentialMinusOne(-x) - expm1(-x)) <= 1e-13 * abs(expm1(-x)), "\(x)")
      #expect(abs(hyperbolicTangent(x) - tanh(x)) <= 1e-14 * tanh(x), "\(x)")
      #expect(hyperbolicTangent(-x) == -hyperbolicTangent(x))
    }
    for x in stride(from: 0.0, through: 1, by: 0.000137) {
      #expect(abs(logarithmOfOnePlus(x) - log1p(x)) <= 1e-15 * log1p(x), "\(x)")
    }
  }

  @Test func attributesNameWhatAnOperatorApplies() throws {
    for function in ActivationFunction.examples {
      var parameters: [String: AttributeValue] = [:]
      switch function {
      case .clip(let minimum, let maximum):
        if minimum.isFinite { parameters["minimum"] = .float(minimum) }
        if maximum.isFinite { parameters["maximum"] = .float(maximum) }
      case .leakyReLU(let slope): parameters["slope"] = .float(slope)
      case .elu(let alpha): parameters["alpha"] = .float(alpha)
      default: break
      }
      let name = AttributeValue.string(function.name)
      let addition = Attributes(parameters.merging(["activation": name]) { $1 })
      let nonlinearity = Attributes(parameters.merging(["function": name]) { $1 })
      if function.fitsEpilogues {
        #expect(try OperatorCatalogue.decode(Addition.wireName, addition).attributes == addition)
        #expect(throws: GraphError.self) { try OperatorCatalogue.decode(Nonlinearity.wireName, nonlinearity) }
      } else {
        #expect(throws: GraphError.self) { try OperatorCatalogue.decode(Addition.wireName, addition) }
        #expect(try OperatorCatalogue.decode(Nonlinearity.wireName, nonlinearity).attributes == nonlinearity)
      }
    }
  }
}
