import Checkpoints
import Operators
import Tensors

extension ONNXTranslations {
  /// `Resize`, and `Upsample`, which it replaced.
  static let resizing: [String: ONNXTranslation] = ["Resize": resize, "Upsample": resize]

  private static let resize: ONNXTranslation = { translator, node throws(ImportError) in
    let source = try translator.map(node, 0)
    let target = try resizedShape(&translator, node, source.shape)
    if target == source.shape { return .activation(source) }
    let axes = source.spatialAxes
    guard target.rank == 4, (0..<4).allSatisfy({ axes.contains($0) || target[$0] == source.shape[$0] }) else {
      throw translator.unsupported(node, "it resizes \(source.shape) to \(target), and not only height and width")
    }
    let (height, width) = (target[axes[0]], target[axes[1]])
    let extent: Resizing.Extent
    if height % source.height == 0, width % source.width == 0 {
      extent = .factors(height: height / source.height, width: width / source.width)
    } else if translator.isSizeOpen {
      throw translator.unsupported(
        node,
        "it enlarges \(source.height)x\(source.width) maps to \(height)x\(width), which depends on the size of the image; "
          + "export the model with a fixed height and width")
    } else {
      extent = .size(height: height, width: width)
    }
    let (interpolation, alignment) = try rule(&translator, node, [height, width])
    let op: Resizing
    do { op = try Resizing(interpolation, alignment: alignment, extent: extent) } catch {
      throw translator.unsupported(node, "\(error)")
    }
    if interpolation != .bilinear {
      for (from, to) in [(source.height, height), (source.width, width)] where to % from != 0 {
        try checkNearest(&translator, node, from: from, to: to, interpolation, alignment)
      }
    }
    let resized = try translator.append(op, node: node, inputs: [source])
    return .activation(translator.arranged(resized, as: source))
  }

  /// The shape of the output, from `sizes` or from `scales`.
  private static func resizedShape(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ shape: Shape
  ) throws(ImportError) -> Shape {
    // Since opset 11, the second input is `roi`, which only `tf_crop_and_resize` reads.
    let scalesInput = node.operatorType == "Upsample" || translator.model.operatorSet < 11 ? 1 : 2
    // As for ONNX Runtime, an empty list of axes is none.
    let listed = try translator.integers(node, attribute: "axes", input: Int.max) ?? []
    guard let axes = ONNXShapes.list(listed.isEmpty ? Array(0..<shape.rank) : listed, rank: shape.rank)
    else { throw translator.bad(node, "has axes that \(shape) does not have") }
    var result = shape
    if scalesInput == 2, translator.hasInput(node, 3) {
      guard let sizes = ONNXArray(try translator.constant(node, 3))?.integers, sizes.count == axes.count,
        sizes.allSatisfy({ 1...8192 ~= $0 || shape.dimensions.contains($0) })
      else { throw translator.bad(node, "does not have a size for each axis of \(shape)") }
      for (axis, size) in zip(axes, sizes) { result.dimensions[axis] = size }
      return result
    }
    var scales: [Double] = []
    if case .floats(let values)? = node.attributes["scales"] {
      scales = values.map { Double($0) }
    } else {
      scales = ONNXArray(try translator.constant(node, scalesInput))?.values ?? []
    }
    guard scales.count == axes.count, scales.allSatisfy({ $0 > 0 && $0 <= 1024 }) else {
      throw translator.bad(node, "does not have a positive scale for each axis of \(shape)")
    }
    if node.operatorType == "Upsample", let scale = scales.first(where: { $0 < 1 }) {
      throw translator.bad(node, "scales an axis by \(scale), and this operator only enlarges")
    }
    for (axis, scale) in zip(axes, scales) {
      let extent = Double(shape[axis]) * scale
      guard extent == extent.rounded(), extent >= 1 else {
        throw translator.unsupported(
          node, "it scales an axis of \(shape[axis]) by \(scale), which is not a whole number")
      }
      result.dimensions[axis] = Int(extent)
    }
    return result
  }

  /// Refuses to take the nearest pixels of a line where runtimes take different ones. (For whole factors, they take the
  /// same.)
  private static func checkNearest(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, from source: Int, to target: Int,
    _ interpolation: Resizing.Interpolation, _ alignment: Resizing.Alignment
  ) throws(ImportError) {
    try translator.claimIndices(target, node)
    // Before opset 11, ONNX did not say how coordinates are rounded; ONNX Runtime rounds them up in smaller maps.
    guard translator.model.operatorSet >= 11 || target > source || source % target == 0 else {
      throw translator.unsupported(
        node,
        "it takes the nearest of \(source) pixels for each of \(target), which opset \(translator.model.operatorSet) "
          + "does not define; export the model with opset 11 or later")
    }
    func exact(_ index: Int) -> Double {
      switch alignment {
      case .halfPixel: (Double(index) + 0.5) * Double(source) / Double(target) - 0.5
      case .corners where target == 1: 0
      case .corners: Double(index) * Double(source - 1) / Double(target - 1)
      case .asymmetric: Double(index) * Double(source) / Double(target)
      }
    }
    // ONNX Runtime computes coordinates in float32, where a quotient can lie on the other side of a whole number.
    let scale = Float(target) / Float(source)
    func rounded(_ index: Int) -> Float {
      switch alignment {
      case .halfPixel: (Float(index) + 0.5) / scale - 0.5
      case .corners where target == 1: 0
      case .corners: Float(index) * Float(source - 1) / Float(target - 1)
      case .asymmetric: Float(index) / scale
      }
    }
    func pixel(_ coordinate: Double) -> Int {
      let inside = min(max(coordinate, 0), Double(source - 1))
      return interpolation == .floor ? Int(inside) : Int((inside - 0.5).rounded(.up))
    }
    guard (0..<target).allSatisfy({ pixel(exact($0)) == pixel(Double(rounded($0))) }) else {
      throw translator.unsupported(
        node,
        "it takes the nearest of \(source) pixels for each of \(target), and which one is nearest depends on how "
          + "coordinates are rounded")
    }
  }

  private static func rule(
    _ translator: inout ONNXTranslator, _ node: ONNXModel.Node, _ extent: [Int]
  ) throws(ImportError) -> (Resizing.Interpolation, Resizing.Alignment) {
    let isOld = node.operatorType == "Upsample" || translator.model.operatorSet < 11
    for (name, expected) in [("antialias", 0), ("exclude_outside", 0)] {
      guard try translator.integer(node, name, default: 0) == expected else {
        throw translator.unsupported(node, "it has the attribute '\(name)'")
      }
    }
    guard try translator.text(node, "keep_aspect_ratio_policy", default: "stretch") == "stretch" else {
      throw translator.unsupported(node, "it keeps the aspect ratio of maps")
    }
    let coordinates = try translator.text(
      node, "coordinate_transformation_mode", default: isOld ? "asymmetric" : "half_pixel")
    let alignment: Resizing.Alignment
    switch coordinates {
    case "half_pixel": alignment = .halfPixel
    // This puts the only pixel of an axis at 0.
    case "pytorch_half_pixel" where extent.allSatisfy({ $0 > 1 }): alignment = .halfPixel
    case "align_corners": alignment = .corners
    case "asymmetric": alignment = .asymmetric
    default: throw translator.unsupported(node, "its coordinate_transformation_mode is '\(coordinates)'")
    }
    switch try translator.text(node, "mode", default: "nearest") {
    case "linear", "bilinear": return (.bilinear, alignment)
    case "nearest": break
    case let mode: throw translator.unsupported(node, "its mode is '\(mode)'; quern has nearest and linear")
    }
    switch try translator.text(node, "nearest_mode", default: isOld ? "floor" : "round_prefer_floor") {
    case "floor": return (.floor, alignment)
    case "round_prefer_floor": return (.nearest, alignment)
    case let mode: throw translator.unsupported(node, "its nearest_mode is '\(mode)'")
    }
  }
}
