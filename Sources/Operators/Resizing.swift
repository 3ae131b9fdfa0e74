import Graphs
import Kernels
import Tensors

/// A map [N, H, W, C] enlarged by whole factors, or resized to a fixed size: each pixel is the nearest one of the
/// input, or a bilinear mean of four. On uint8, the output keeps the input's format; a bilinear mean is computed with
/// weights of 12 bits and rounded once, ties to even.
package struct Resizing: Operator {
  package static let wireName = "resizing"
  package static let arity = 1...1

  /// Where a pixel of the output lies in the input: `coordinate(of:)`. The raw value is stored in packages.
  package enum Alignment: String, CaseIterable, Sendable {
    /// Pixels are areas: `(y + 1 / 2) in / out - 1 / 2`.
    case halfPixel = "half_pixel"
    /// The corners of both maps are the same pixels: `y (in - 1) / (out - 1)`.
    case corners = "align_corners"
    /// Pixels are points that begin at 0: `y in / out`.
    case asymmetric
  }

  /// How values between pixels are computed. The raw value is stored in packages.
  package enum Interpolation: String, CaseIterable, Sendable {
    /// The pixel before: the whole part of the coordinate.
    case floor
    /// The nearest pixel; of two, the one before.
    case nearest
    /// The mean of the neighbours in both directions, weighted by their distance.
    case bilinear
  }

  /// What determines the size of the output.
  package enum Extent: Hashable, Sendable {
    /// The input's height and width times these.
    case factors(height: Int, width: Int)
    /// This size in pixels.
    case size(height: Int, width: Int)
  }

  package let interpolation: Interpolation
  package let alignment: Alignment
  package let extent: Extent

  /// - Throws: `GraphError.attribute` where a factor or a size is out of range.
  package init(_ interpolation: Interpolation, alignment: Alignment, extent: Extent) throws(GraphError) {
    (self.interpolation, self.alignment, self.extent) = (interpolation, alignment, extent)
    switch extent {
    case .factors(let height, let width):
      guard (1...64).contains(height), (1...64).contains(width) else {
        throw .attribute(name: "factors", expected: "1 to 64")
      }
    case .size(let height, let width):
      guard (1...8192).contains(height), (1...8192).contains(width) else {
        throw .attribute(name: "size", expected: "1 to 8192")
      }
    }
  }

  package init(attributes: Attributes) throws(GraphError) {
    guard let interpolation = Interpolation(rawValue: try attributes.string("interpolation")) else {
      throw .attribute(name: "interpolation", expected: Self.list(Interpolation.allCases.map(\.rawValue)))
    }
    guard let alignment = Alignment(rawValue: try attributes.string("alignment")) else {
      throw .attribute(name: "alignment", expected: Self.list(Alignment.allCases.map(\.rawValue)))
    }
    let extent: Extent
    if attributes["size"] != nil {
      guard attributes["factors"] == nil else { throw .attribute(name: "factors", expected: "absent with a size") }
      let size = try attributes.ints("size", count: 2)
      extent = .size(height: size[0], width: size[1])
    } else {
      let factors = try attributes.ints("factors", count: 2)
      extent = .factors(height: factors[0], width: factors[1])
    }
    try self.init(interpolation, alignment: alignment, extent: extent)
  }

  private static func list(_ names: [String]) -> String { names.map { "'\($0)'" }.joined(separator: ", ") }

  package var attributes: Attributes {
    var result: Attributes = [
      "interpolation": .string(interpolation.rawValue), "alignment": .string(alignment.rawValue),
    ]
    switch extent {
    case .factors(let height, let width): result["factors"] = .ints([height, width])
    case .size(let height, let width): result["size"] = .ints([height, width])
    }
    return result
  }

  /// The smaller factor by which the operator enlarges maps; 1 where it depends on their size.
  var smallestFactor: Int { if case .factors(let height, let width) = extent { min(height, width) } else { 1 } }

  package var quantizationRule: QuantizationRule { .sameAsInput }
  package func lowerBound(ofInputs bounds: [Double], constants: [String: Tensor]) -> Double { bounds[0] }
  package func channelRule(ofInput slot: Int) -> ChannelRule { .carried }

  package func outputShape(inputs: [Shape], constants: [String: Tensor]) throws(GraphError) -> Shape {
    let input = inputs[0]
    guard input.rank == 4 else { throw .shape("resizing takes a map with 4 axes, not \(input)") }
    switch extent {
    case .factors(let height, let width):
      guard input.height <= 1 << 20, input.width <= 1 << 20 else { throw .inputSize("a map of \(input) is too large") }
      return try Shape([input.batch, input.height * height, input.width * width, input.channels]).checkedActivation()
    case .size(let height, let width):
      return try Shape([input.batch, height, width, input.channels]).checkedActivation()
    }
  }

  /// The pixels of a line of `input` pixels that each of `output` pixels is computed from.
  func taps(input: Int, output: Int) -> [Tap] {
    (0..<output).map { index in
      let coordinate: Double =
        switch alignment {
        case .halfPixel: (Double(index) + 0.5) * Double(input) / Double(output) - 0.5
        case .corners: output == 1 ? 0 : Double(index) * Double(input - 1) / Double(output - 1)
        case .asymmetric: Double(index) * Double(input) / Double(output)
        }
      let inside = min(max(coordinate, 0), Double(input - 1))
      switch interpolation {
      case .floor: return Tap(first: Int(inside), second: Int(inside), weight: 0)
      case .nearest:
        let nearest = Int((inside - 0.5).rounded(.up))
        return Tap(first: nearest, second: nearest, weight: 0)
      case .bilinear:
        let first = Int(inside)
        return Tap(first: first, second: min(first + 1, input - 1), weight: inside - Double(first))
      }
    }
  }

  /// Two pixels of a line, and the weight of the second; that of the first is 1 minus it.
  struct Tap {
    let first: Int
    let second: Int
    let weight: Double
  }
}

extension Resizing: RunnableOperator {
  package func prepare(_ context: PreparationContext) throws(GraphError) -> any PreparedOperator {
    try context.refuseConstants(except: [])
    guard context.inputFormats[0] == context.outputFormat else {
      throw .structure("the input and the output of resizing must have the same format")
    }
    if case .uint8WithRemainder = context.outputFormat { throw .structure("resizing does not pass on remainders") }
    return ResizingOperator(op: self, isFloat: context.outputFormat == .float32)
  }
}
