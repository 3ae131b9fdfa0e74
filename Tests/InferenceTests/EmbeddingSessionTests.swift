import Inference
import PackageFormat
import Pixels
import Runtime
import Testing
import Threads

@Suite struct EmbeddingSessionTests {
  private static let package =
    #filePath.split(separator: "/").dropLast(3).reduce("") { "\($0)/\($1)" }
    + "/fixtures/packages/version-1.0-quantised.quern"

  private static func image(height: Int, width: Int) -> RGBImage {
    RGBImage(
      width: width, height: height,
      pixels: (0..<3 * width * height).map { UInt8(truncatingIfNeeded: $0 * 7 + $0 / 41 + $0 * $0 / 997) })!
  }

  private static func embed(
    _ images: [RGBImage], by session: EmbeddingSession
  ) throws -> [Float] {
    var rows = [Float](repeating: 0, count: images.count * session.dimension)
    let pixels = images.map { $0.pixels.withUnsafeBufferPointer { [UInt8]($0) } }
    let copies = pixels.map { bytes in
      let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: bytes.count)
      copy.update(from: bytes, count: bytes.count)
      return copy
    }
    defer { for copy in copies { copy.deallocate() } }
    let views = zip(images, copies).map { PixelView(pixels: UnsafePointer($1), height: $0.height, width: $0.width) }
    try views.withUnsafeBufferPointer { views in
      try rows.withUnsafeMutableBufferPointer { rows in
        try session.embed(views, to: EmbeddingSession.Outputs(embeddings: rows.baseAddress, logits: nil))
      }
    }
    return rows
  }

  /// The path of the tool: resize, then run a session.
  private static func expected(_ images: [RGBImage], _ model: EmbeddingModel) throws -> [Float] {
    let executable = try model.network.executable(threads: 1)
    let standard = model.info.standard
    let session = Session(try executable.pooling(by: standard.poolingExponent))
    return try images.flatMap { try session.outputs(for: try standard.evaluation.apply(to: $0)).embedding }
  }

  @Test(arguments: [1, 2, 3]) func embeddingsAreThoseOfTheTool(threads: Int) throws {
    let model = try EmbeddingModel(try PackageReader.open(path: Self.package), threads: 2)
    let session = try EmbeddingSession(model, EmbeddingSession.Options(threads: threads))
    // More sizes than are kept, and each twice.
    let sizes = (0..<11).map { (30 + 3 * $0, 60 - 2 * $0) }
    let images = (sizes + sizes).map { Self.image(height: $0.0, width: $0.1) }
    let expected = try Self.expected(images, model)
    #expect(try Self.embed(images, by: session) == expected)
    for (index, image) in images.enumerated().reversed() {
      let row = expected[index * session.dimension..<(index + 1) * session.dimension]
      #expect(try Self.embed([image], by: session) == Array(row), "image \(index)")
    }
  }

  @Test func memoryIsThatOfASession() throws {
    let model = try EmbeddingModel(try PackageReader.open(path: Self.package), threads: 1)
    for threads in 1...3 {
      let memory = try model.memory(EmbeddingSession.Options(threads: threads), height: 50, width: 40)
      let session = Session(try model.network.executable(threads: 1), team: ThreadTeam(count: threads))
      let side = model.info.standard.side
      for worker in 0..<threads where threads > 1 {
        _ = try session.evaluation(height: side, width: side, worker: worker)
      }
      _ = try session.evaluation(height: side, width: side)
      #expect(memory.session >= session.arenaByteCount)
      let plan = try model.info.standard.evaluation.plan(height: 50, width: 40)
      let resizing = plan.weightByteCount + threads * plan.scratchByteCount
      // Tables of kernels are not in the arenas. They are some kilobytes, which a network this small notices.
      let tables = threads * 20_000
      #expect(memory.session <= 2 * session.arenaByteCount + resizing + tables)
      #expect(memory.peak == memory.model + max(memory.loading, memory.session))
    }
  }

  @Test func memoryOfSeveralSizesIsThatOfEach() throws {
    let model = try EmbeddingModel(try PackageReader.open(path: Self.package), threads: 1, loadsWeights: false)
    let side = model.info.standard.side
    let sides = [2 * side, 0, side, 3 * side]
    let results = try model.memory(sides: sides)
    #expect(results.count == sides.count)
    for (side, result) in zip(sides, results) {
      let options = EmbeddingSession.Options(threads: 1, side: side)
      if side == 0 {
        #expect(throws: InferenceError.self) { try result.get() }
      } else {
        #expect(try result.get() == model.memory(options, height: nil, width: nil))
      }
    }
  }

  @Test func packagesAreValidAtTheirSizes() throws {
    try EmbeddingModel(try PackageReader.open(path: Self.package), threads: 1).validate()
  }

  @Test func modelsWithoutWeightsHaveNoSessions() throws {
    let model = try EmbeddingModel(try PackageReader.open(path: Self.package), threads: 1, loadsWeights: false)
    #expect(throws: InferenceError.noWeights) { try EmbeddingSession(model, EmbeddingSession.Options(threads: 1)) }
    #expect(try model.memory(EmbeddingSession.Options(threads: 1), height: nil, width: nil).model > 0)
  }
}
