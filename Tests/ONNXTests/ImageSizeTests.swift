import Checkpoints
import ModelImport
import Testing

/// Models that state no image size, but can be read for some sizes only.
@Suite struct ImageSizeTests {
  private func network(_ name: String, side: Int? = nil) throws -> ImportedNetwork {
    var importer = ModelImporter()
    importer.imageSides = [side].compactMap(\.self)
    let checkpoint = try Checkpoint.read(path: Fixtures.path("kinds/\(name).onnx"))
    return try importer.importNetwork(try #require(checkpoint.network))
  }

  @Test func theRequestedSizeIsTaken() throws {
    let network = try network("linear-layer-of-a-map-of-an-open-size", side: 24)
    #expect(network.fixedImageSize == FixedImageSize(height: 24, width: 24))
    #expect(network.assumptions.contains { $0.statement.contains("24x24 pixels") && $0.option == nil })
  }

  @Test func aUsualSizeIsFound() throws {
    let network = try network("linear-layer-of-a-map-of-an-open-size")
    #expect(network.fixedImageSize == FixedImageSize(height: 28, width: 28))
    #expect(network.assumptions.contains { $0.statement.contains("28x28 pixels") && $0.option == "--size" })
  }

  @Test func aSizeThatDoesNotFitIsRefused() throws {
    let error = #expect(throws: ImportError.self) {
      try network("linear-layer-of-a-map-of-an-open-size", side: 64)
    }
    let message = "\(try #require(error))"
    #expect(message.contains("has weights for 72 values") && message.contains("64x64 pixels"), "\(message)")
  }

  /// Padding that is larger before the map differs between odd and even sizes, and no operator follows the size.
  @Test func paddingFollowsTheSize() throws {
    let even = try network("automatic-padding-before-an-open-size", side: 64)
    let odd = try network("automatic-padding-before-an-open-size", side: 65)
    #expect(even.graph.nodes[0].op.attributes != odd.graph.nodes[0].op.attributes)
    #expect(odd.fixedImageSize == FixedImageSize(height: 65, width: 65))
  }

  /// A network for all sizes stays one, whichever is requested.
  @Test func aNetworkForAllSizesIsNotFixed() throws {
    #expect(try network("linear-layer-of-a-map-between-norms", side: 64).fixedImageSize?.height == 24)
    let checkpoint = try Checkpoint.read(path: Fixtures.path("tiny-dynamic.onnx"))
    var importer = ModelImporter()
    importer.imageSides = [64]
    #expect(try importer.importNetwork(try #require(checkpoint.network)).fixedImageSize == nil)
  }
}
