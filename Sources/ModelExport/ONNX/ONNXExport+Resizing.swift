import Graphs
import Operators
import Tensors

extension Resizing: ONNXExportable {
  func emit(_ node: Node, into exporter: inout ONNXExporter) throws(ExportError) -> ONNXValue {
    let levels = interpolation == .bilinear ? exporter.inputMovedLevels(node) : nil
    if let levels, !hasShortWeights { return .movedLevels(emitExactly(node, levels, &exporter)) }
    var inputs = [levels ?? exporter.input(node), ""]
    switch extent {
    case .factors(let height, let width):
      inputs.append(
        exporter.builder.initializer("\(node.name).scales", Tensor([1, 1, Float(height), Float(width)])))
    case .size(let height, let width):
      // The batch and the channels keep their extents.
      let name = "\(node.name).size"
      let size = exporter.builder.initializer("\(name).spatial", Tensor([Int64(height), Int64(width)]))
      let shape = exporter.builder.node("Shape", name: "\(name).shape", inputs: [inputs[0]])
      let bounds = [0, 2, 0].enumerated().map {
        exporter.builder.initializer("\(name).bound\($0)", Tensor([Int64($1)]))
      }
      let outer = exporter.builder.node("Slice", name: "\(name).outer", inputs: [shape] + bounds)
      inputs += [
        "", exporter.builder.node("Concat", name: name, inputs: [outer, size], attributes: [("axis", .int(0))]),
      ]
    }
    var attributes: [(String, ONNXModelBuilder.Attribute)] = [
      ("coordinate_transformation_mode", .string(alignment.rawValue)),
      ("mode", .string(interpolation == .bilinear ? "linear" : "nearest")),
    ]
    switch interpolation {
    case .floor: attributes.append(("nearest_mode", .string("floor")))
    case .nearest: attributes.append(("nearest_mode", .string("round_prefer_floor")))
    case .bilinear: break
    }
    let value = exporter.builder.node("Resize", name: node.name, inputs: inputs, attributes: attributes)
    return levels == nil ? .real(value) : .movedLevels(value)
  }
  /// Whether means of levels are exact in float, whatever the order of sums: whether weights have few bits.
  private var hasShortWeights: Bool {
    guard alignment != .corners, case .factors(let height, let width) = extent else { return false }
    return [height, width].allSatisfy { $0 & ($0 - 1) == 0 }
  }

  /// Follows formats/package.md, "Resizing", in double precision: the products of the map with a matrix of weights for
  /// its rows, and with one for its columns. All products and sums are whole numbers below 2^53.
  private func emitExactly(_ node: Node, _ levels: String, _ exporter: inout ONNXExporter) -> String {
    let shape = exporter.builder.node("Shape", name: "\(node.name).shape", inputs: [levels])
    let (rows, columns): (Double, Double)
    let isFactor: Bool
    switch extent {
    case .factors(let height, let width): (rows, columns, isFactor) = (Double(height), Double(width), true)
    case .size(let height, let width): (rows, columns, isFactor) = (Double(height), Double(width), false)
    }
    let rowWeights = weights(2, rows, isFactor: isFactor, shape, name: "\(node.name).rows", &exporter)
    let columnWeights = weights(3, columns, isFactor: isFactor, shape, name: "\(node.name).columns", &exporter)
    let map = exporter.doubles(levels, name: "\(node.name).doubles")
    let resizedRows = exporter.builder.node("MatMul", name: "\(node.name).resized_rows", inputs: [rowWeights, map])
    let turned = exporter.builder.node("Transpose", name: "\(node.name).turned", inputs: [columnWeights])
    let sum = exporter.builder.node("MatMul", name: "\(node.name).sum", inputs: [resizedRows, turned])
    let unit = exporter.builder.sharedInitializer("resizing_unit", Tensor([Double(1 << 24)], shape: []))
    let mean = exporter.builder.node("Div", name: "\(node.name).mean", inputs: [sum, unit])
    let rounded = exporter.builder.node("Round", name: "\(node.name).rounded", inputs: [mean])
    return exporter.floats(rounded, name: node.name)
  }

  /// The weights, in 1/4096, of an axis's pixels (columns) for those of the output (rows).
  ///
  /// - Parameter extent: the factor by which the axis is enlarged, or its extent in the output.
  private func weights(
    _ axis: Int, _ extent: Double, isFactor: Bool, _ shape: String, name: String, _ exporter: inout ONNXExporter
  ) -> String {
    func node(_ op: String, _ suffix: String, _ inputs: String...) -> String {
      exporter.builder.node(op, name: "\(name).\(suffix)", inputs: inputs)
    }
    func number(_ value: Double) -> String {
      exporter.builder.sharedInitializer("double_\(value)", Tensor([value], shape: []))
    }
    let index = exporter.builder.initializer("\(name).axis", Tensor([Int64(axis)], shape: []))
    let one = number(1)
    let count = exporter.doubles(node("Gather", "extent", shape, index), name: "\(name).count")
    let outputs = isFactor ? node("Mul", "outputs", count, number(extent)) : number(extent)
    let last = node("Sub", "last", count, one)
    let positions = node("Range", "positions", number(0), outputs, one)
    var coordinates: String
    switch alignment {
    case .halfPixel:
      let centres = node("Mul", "centres", node("Add", "moved", positions, number(0.5)), count)
      coordinates = node("Sub", "coordinates", node("Div", "scaled", centres, outputs), number(0.5))
    case .corners:
      let lastOutput = node("Max", "last_output", node("Sub", "outputs_less_one", outputs, one), one)
      coordinates = node("Div", "coordinates", node("Mul", "scaled", positions, last), lastOutput)
    case .asymmetric: coordinates = node("Div", "coordinates", node("Mul", "scaled", positions, count), outputs)
    }
    coordinates = node("Min", "inside", node("Max", "not_before", coordinates, number(0)), last)
    let first = node("Floor", "first", coordinates)
    let second = node("Min", "second", node("Add", "next", first, one), last)
    let share = node("Round", "share", node("Mul", "fine", node("Sub", "distance", coordinates, first), number(4096)))
    let columnAxis = exporter.builder.sharedInitializer("column_axis", Tensor([Int64(1)]))
    let pixels = node("Range", "pixels", number(0), count, one)
    func part(_ suffix: String, _ pixel: String, _ weight: String) -> String {
      let column = node("Unsqueeze", "\(suffix)_pixel", pixel, columnAxis)
      let isRead = exporter.doubles(
        node("Equal", "\(suffix)_is_read", column, pixels), name: "\(name).\(suffix)_mask")
      return node("Mul", "\(suffix)_weights", isRead, node("Unsqueeze", "\(suffix)_weight", weight, columnAxis))
    }
    let left = part("first", first, node("Sub", "first_share", number(4096), share))
    return node("Add", "weights", left, part("second", second, share))
  }
}
