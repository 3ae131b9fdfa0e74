import Graphs
import PackageFormat
import PackageSamples
import Testing

@Suite struct StoredConstantTests {
  @Test(arguments: 0..<20 as Range<UInt64>)
  func sizesAreThoseOfThePackage(seed: UInt64) throws {
    let package = try ToyPackages.random(seed: seed)
    let reader = try PackageReader(try PackageWriter.encode(package))
    let constants = try PackageWriter.storedConstants(of: package.graph, threads: 3)
    let sections = reader.sections.filter { $0.kind == .tensor }
    #expect(constants.map(\.byteCount) == sections.map(\.rawLength))
    #expect(constants.map(\.storedByteCount) == sections.map(\.storedLength))
    let uses = package.graph.nodes.reduce(0) { $0 + $1.constants.count }
    #expect(constants.reduce(0) { $0 + 1 + $1.copies } == uses)
    for constant in constants {
      let node = try #require(package.graph.nodes.first { $0.name == constant.node })
      let tensor = try #require(node.constants[constant.role])
      #expect(tensor.shape == constant.shape && tensor.elementType == constant.elementType)
    }
  }
}
