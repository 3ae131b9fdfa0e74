import Checkpoints
import Glibc
import Graphs
import Tensors

/// Translates a model for all image sizes, if it states none and computes the same network at each, or else for one.
struct ONNXSizes {
  /// A network before its preprocessing is set.
  struct Reading {
    var network: ImportedNetwork
    /// The results of arithmetic with constants.
    let arithmetic: Set<ValueID>
    /// The input, with the size that was chosen where the network needs one.
    let image: ONNXImageInput
    /// The choice of that size.
    var assumption: ImportAssumption?
  }

  private let importer: ModelImporter
  private let image: ONNXImageInput
  private let schedule: ONNXSchedule
  private let foldings: ONNXFoldingCache
  /// What all translations after the first may cost.
  private var budget: ModelBudget
  /// What the last translation cost.
  private var cost = 0

  /// - Throws: `ImportError.badNode` where a value is defined twice.
  init(_ importer: ModelImporter, _ model: ONNXModel, _ image: ONNXImageInput) throws(ImportError) {
    self.importer = importer
    self.image = image
    schedule = try ONNXSchedule(model)
    foldings = ONNXFoldingCache(model, isShared: image.isSizeOpen)
    budget = schedule.budget
  }

  /// Translates the model.
  ///
  /// - Throws: `ImportError`, as `ModelImporter.importNetwork(_:)`.
  mutating func read() throws(ImportError) -> Reading {
    guard image.isSizeOpen else { return try translate(image, probe: image.probes[0]) }
    // So many nodes take so long to translate that it is done once.
    guard schedule.cost * image.probes.count <= budget.limit else { return try readForOneSize(Self.tooLarge) }
    let reason: String
    do throws(ImportError) {
      let general = try translate(image, probe: image.probes[0])
      guard let difference = try difference(from: general.network.graph) else { return general }
      reason = difference
    } catch {
      // Which outputs are meant does not depend on the size.
      if case .option = error { throw error }
      reason = "\(error)"
    }
    return try readForOneSize(reason)
  }

  // MARK: All sizes

  private static let tooLarge = "it has too many nodes to be compared with itself at several sizes"

  /// Why a network does not stand for the model at all sizes; `nil` where it does.
  private mutating func difference(from graph: Graph) throws(ImportError) -> String? {
    let (cost, probes) = (cost, image.probes.dropFirst())
    guard budget.claim(cost * probes.count) else { return Self.tooLarge }
    for probe in probes {
      if let node = graph.firstDifference(from: try translate(image, probe: probe).network.graph) {
        return Self.differs(node)
      }
    }
    for side in importer.imageSides where image.shape(height: side, width: side) != image.probes[0] {
      // Sizes that the network does not take are refused where it is to run.
      guard (try? graph.inferShapes(input: [1, side, side, 3])) != nil else { continue }
      guard budget.claim(cost) else { return Self.tooLarge }
      let other: Reading
      do throws(ImportError) {
        other = try translate(image, probe: image.shape(height: side, width: side))
      } catch { return "for images of \(side)x\(side) pixels, \(error)" }
      if let node = graph.firstDifference(from: other.network.graph) { return Self.differs(node) }
    }
    return nil
  }

  private static func differs(_ node: String) -> String {
    "the operation of node '\(node)' depends on the size of the image"
  }

  // MARK: One size

  /// Translates the model for the first size that is requested, or else for the most usual that it can be read for.
  private mutating func readForOneSize(_ reason: String) throws(ImportError) -> Reading {
    let requested = image.statedSize?.height ?? importer.imageSides.first
    var firstError: ImportError?
    for (attempt, side) in (requested.map { [$0] } ?? ONNXImageInput.usualSides).enumerated() {
      guard attempt == 0 || budget.claim(schedule.cost) else { break }
      let fixed = image.fixing(side: side)
      do throws(ImportError) {
        var reading = try translate(fixed, probe: fixed.probes[0])
        try checkOtherSides(reading.network.graph, side)
        if let size = fixed.fixedSize {
          reading.assumption = ImportAssumption(
            "the network is read for images of \(size.width)x\(size.height) pixels, although the model does not state "
              + "their size, as it cannot be read for all sizes: \(reason)", option: requested == nil ? "--size" : nil)
        }
        return reading
      } catch { firstError = firstError ?? error }
    }
    throw firstError ?? .badNetwork(reason)
  }

  /// Checks that the model computes the same at the other sizes that are requested. Where it does not take images of
  /// one, the network is used with a warning.
  private mutating func checkOtherSides(_ graph: Graph, _ side: Int) throws(ImportError) {
    let advice = "give one --size at a time"
    for other in importer.imageSides where other != side {
      guard budget.claim(schedule.cost) else {
        throw .option("the model has too many nodes to be compared with itself at \(side) and \(other) px; \(advice)")
      }
      let fixed = image.fixing(side: other)
      guard let reading = try? translate(fixed, probe: fixed.probes[0]) else { continue }
      if let node = graph.firstDifference(from: reading.network.graph) {
        throw .option("the operation of node '\(node)' is another at \(side) px than at \(other) px; \(advice)")
      }
    }
  }

  // MARK: A translation

  private mutating func translate(_ image: ONNXImageInput, probe: Shape) throws(ImportError) -> Reading {
    let empty = Graph(architecture: ModelImporter.architecture(of: schedule.model), preprocessing: .imageNet)
    var run = ONNXRun(
      ONNXTranslator(graph: empty, image: image, probe: probe, schedule: schedule, foldings: foldings), schedule)
    defer { cost = run.cost }
    var outputs = try ONNXOutputs(schedule, embedding: importer.embeddingOutput, logits: importer.logitsOutput)
    let graph = try outputs.attach(to: &run)
    var network = ImportedNetwork(
      graph: graph, assumptions: outputs.assumptions, notes: run.translator.notes + outputs.notes)
    if !run.translator.quantization.isEmpty { network.quantization = run.translator.quantization }
    return Reading(network: network, arithmetic: run.translator.arithmeticResults, image: image)
  }
}

extension Graph {
  /// The name of the first node that differs from another graph's in operator, attributes, inputs or constants.
  fileprivate func firstDifference(from other: Graph) -> String? {
    for (a, b) in zip(nodes, other.nodes) {
      guard a.kind == b.kind, a.op.attributes == b.op.attributes, a.inputs == b.inputs,
        a.constants.count == b.constants.count,
        a.constants.allSatisfy({ role, tensor in b.constants[role].map { tensor.hasElements(of: $0) } ?? false })
      else { return a.name }
    }
    if nodes.count != other.nodes.count { return nodes.last?.name ?? "" }
    return outputs == other.outputs ? nil : nodes.last?.name ?? ""
  }
}

extension Tensor {
  /// Whether the elements are those of another tensor, bit for bit. Neither has factors, which only passes add.
  fileprivate func hasElements(of other: Tensor) -> Bool {
    guard elementType == other.elementType, shape == other.shape else { return false }
    if elementCount == 0 { return true }
    if strides == other.strides, byteOffset == other.byteOffset,
      storage === other.storage || Self.areEqual(storage.bytes, other.storage.bytes)
    {
      return true
    }
    return withBytes { own in other.withBytes { Self.areEqual(own, $0) } }
  }

  private static func areEqual(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    guard a.count == b.count, let first = a.baseAddress, let second = b.baseAddress else { return false }
    return memcmp(first, second, a.count) == 0
  }
}
