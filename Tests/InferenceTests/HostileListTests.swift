import Graphs
import Inference
import Operators
import PackageFormat
import PackageSamples
import Testing

/// Lists that are short in a file and long in memory.
@Suite struct HostileListTests {
  @Test func listsOfChannelsAreLimitedTogether() throws {
    var graph = Graph(architecture: "test", preprocessing: .imageNet)
    var value = graph.input
    let channels = try ChannelSelection([Int](repeating: 0, count: 1 << 20))
    for index in 0..<200 { value = graph.append(channels, name: "\(index)", inputs: [value]) }
    graph.outputs = [GraphOutput(name: "output", value: value)]
    let bytes = try PackageWriter.encode(try Package(sample: graph))
    #expect(bytes.count < 20_000)
    let reader = try PackageReader(bytes)
    // The fifth list of 8 MB is one too many.
    let error = #expect(throws: PackageError.self) { try PackagedNetwork(reader) }
    #expect("\(String(describing: error))".contains("list more channels"))
    guard case .graph(.at(node: "4", _)) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }
}
