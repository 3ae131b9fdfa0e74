import Files
import Glibc
import Graphs
import PackageFormat
import PackageSamples
import Tensors
import Testing

@Suite struct RoundTripTests {
  @Test(arguments: 0..<150 as Range<UInt64>)
  func everythingComesBack(seed: UInt64) throws {
    let package = try ToyPackages.random(seed: seed)
    let bytes = try PackageWriter.encode(package)
    let back = try PackageReader(bytes).readAll()

    #expect(back.info == package.info)
    #expect(back.labels == package.labels)
    #expect(back.selfTest == package.selfTest)
    #expect(back.license == package.license)
    #expect(Array(back.metadata.utf8) == Array(package.metadata.utf8))
    #expect(back.graph.architecture == package.graph.architecture)
    #expect(back.graph.preprocessing == package.graph.preprocessing)
    #expect(back.graph.format(of: back.graph.input) == package.graph.format(of: package.graph.input))
    try #require(back.graph.nodes.count == package.graph.nodes.count)
    var numbers = [package.graph.input: back.graph.input]
    for (node, original) in zip(back.graph.nodes, package.graph.nodes) {
      numbers[original.output] = node.output
      #expect(Array(node.name.utf8) == Array(original.name.utf8))
      #expect(node.op.attributes == original.op.attributes)
      #expect(node.inputs == original.inputs.map { numbers[$0] })
      #expect(back.graph.format(of: node.output) == package.graph.format(of: original.output))
      #expect(Set(node.constants.keys) == Set(original.constants.keys))
      for (role, tensor) in original.constants {
        #expect(node.constants[role]?.elementType == tensor.elementType)
        #expect(node.constants[role]?.shape == tensor.shape)
        #expect(node.constants[role]?.rawBytes == tensor.rawBytes)
      }
    }
    #expect(back.graph.outputs.map(\.name) == package.graph.outputs.map(\.name))
    #expect(back.graph.outputs.map(\.value) == package.graph.outputs.map { numbers[$0.value] })
    // One graph has one form, wherever it came from.
    #expect(try PackageWriter.encode(back) == bytes)
  }

  @Test(arguments: 0..<20 as Range<UInt64>)
  func bytesDoNotDependOnThreads(seed: UInt64) throws {
    let package = try ToyPackages.random(seed: seed)
    let bytes = try PackageWriter.encode(package, threads: 1)
    for threads in [2, 3, 8] { #expect(try PackageWriter.encode(package, threads: threads) == bytes) }
    #expect(try PackageWriter.encode(try PackageReader(bytes).readAll(threads: 5), threads: 1) == bytes)
  }

  @Test func contentHashNamesTheContentOnly() throws {
    let package = try ToyPackages.small()
    let hash = try PackageReader(PackageWriter.encode(package)).contentHash
    #expect(try PackageReader(PackageWriter.encode(package, compressing: false)).contentHash == hash)
    var other = package
    other.metadata = "{}"
    other.labels = []
    other.license = PackageLicense(expression: "MIT")
    #expect(try PackageReader(PackageWriter.encode(other)).contentHash == hash)

    other.info.resolutions = [try ToyPackages.resolution(224, 4)]
    #expect(try PackageReader(PackageWriter.encode(other)).contentHash != hash)
    other = package
    other.graph.nodes[0].constants["bias"] = Tensor([1, -3] as [Int32])
    #expect(try PackageReader(PackageWriter.encode(other)).contentHash != hash)
    other = package
    other.graph.setFormat(.uint8(QuantizationParameters(scale: 0.5, zeroPoint: 4)), of: other.graph.input)
    #expect(try PackageReader(PackageWriter.encode(other)).contentHash != hash)
  }

  /// A reader that does not know the section would not use the exponents.
  @Test func furtherSizesAreACriticalSection() throws {
    var package = try ToyPackages.small()
    let one = try PackageReader(PackageWriter.encode(package))
    #expect(one.info.resolutions.count == 1)
    package.info.resolutions += [try ToyPackages.resolution(500, 1.7), try ToyPackages.resolution(800, .infinity)]
    let bytes = try PackageWriter.encode(package)
    let several = try PackageReader(bytes)
    #expect(several.info == package.info)
    #expect(several.contentHash != one.contentHash)
    let section = try #require(several.sections.first { $0.kind == .sizes })
    #expect(section.isCritical && section.kind.rawValue == 5 && section.rawLength == 28)
    #expect([224, 800, 600].map { several.info.resolution(side: $0)?.poolingExponent } == [3, .infinity, nil])
    #expect(try PackageWriter.encode(several.readAll()) == bytes)
  }

  /// A reader that does not know the section would resize otherwise.
  @Test func resizingIsACriticalSection() throws {
    var package = try ToyPackages.small()
    let hash = try PackageReader(PackageWriter.encode(package)).contentHash
    package.info.resolutions = [try ToyPackages.resolution(224, 3, filter: .bicubic, cropRatio: 224.0 / 232)]
    let bytes = try PackageWriter.encode(package)
    let reader = try PackageReader(bytes)
    #expect(reader.info == package.info && reader.contentHash != hash)
    let section = try #require(reader.sections.first { $0.kind == .resizing })
    #expect(section.isCritical && section.kind.rawValue == 6 && section.rawLength == 9)
    #expect(try PackageWriter.encode(reader.readAll()) == bytes)
  }

  /// The exponent of the first size is stored as a float32, which stands for the shortest number nearest to it.
  @Test(arguments: [3.3, 1.7, 0.1, 2, .infinity])
  func exponentsAreWhatTheyWere(exponent: Double) throws {
    var package = try ToyPackages.small()
    package.info.resolutions = [try ToyPackages.resolution(224, exponent), try ToyPackages.resolution(500, exponent)]
    #expect(try PackageReader(PackageWriter.encode(package)).info == package.info)
  }

  @Test func equalTensorsAreStoredOnce() throws {
    var package = try ToyPackages.small()
    let bytes = (0..<8 as Range<UInt8>).map { $0 }
    package.graph.nodes[1].constants = [
      "a": try Tensor(bytes: bytes, elementType: .int8, shape: [8]),
      "b": try Tensor(bytes: bytes, elementType: .float32, shape: [2, 1]),
    ]
    let reader = try PackageReader(PackageWriter.encode(package))
    #expect(reader.sections.filter { $0.kind == .tensor }.count == 3)
    #expect(reader.graph.nodes[1].constants.map(\.tensor) == [2, 2])
    #expect(try reader.readAll().graph.nodes[1].constants["b"]?.shape == [2, 1])
  }

  @Test func tensorsAreCompressedWhereThatHelps() throws {
    let reader = try PackageReader(PackageWriter.encode(ToyPackages.small()))
    let sections = reader.graph.nodes[0].constants.map(reader.section)
    #expect(reader.graph.nodes[0].constants.map(\.role) == ["bias", "weight"])
    #expect(sections.map(\.encoding) == [.stored, .zstd])
    #expect(sections.map(\.rawLength) == [8, 600])
    #expect(sections.allSatisfy { $0.offset % 64 == 0 })
  }
}

@Suite struct LargeTensorTests {
  /// Longer than any window a frame may need, so that the frame is not of one segment.
  @Test func tensorLongerThanTheWindowIsCompressed() throws {
    var random = SplitMix64(state: 9)
    let bytes = (0..<9 << 20).map { _ in UInt8(truncatingIfNeeded: random.next() >> 61) }
    var package = try ToyPackages.small()
    package.graph.nodes[1].constants["weight"] = try Tensor(bytes: bytes, elementType: .int8, shape: [bytes.count])
    let file = try PackageWriter.encode(package, threads: 2)
    let reader = try PackageReader(file)
    let section = reader.section(of: reader.graph.nodes[1].constants[0])
    #expect(section.encoding == .zstd)
    #expect(section.storedLength < bytes.count / 2)
    #expect(file[section.offset + 4] & 0x20 == 0)
    #expect(try reader.readAll(threads: 2).graph.nodes[1].constants["weight"]?.rawBytes == bytes)
  }
}

@Suite struct FileTests {
  /// A folder for one test.
  private func withFolder(_ body: (String) throws -> Void) throws {
    var template = Array("/tmp/quern-package-XXXXXX".utf8CString)
    let path = try template.withUnsafeMutableBufferPointer { buffer in
      try #require(buffer.baseAddress.flatMap { mkdtemp($0) }.map { String(cString: $0) })
    }
    defer {
      for name in ["a.quern", "b.quern"] { unlink("\(path)/\(name)") }
      rmdir(path)
    }
    try body(path)
  }

  @Test func summaryDescribesTheFile() throws {
    try withFolder { folder in
      let package = try ToyPackages.small()
      let summary = try PackageWriter.write(package, to: "\(folder)/a.quern", threads: 2)
      let file = try MappedFile(path: "\(folder)/a.quern")
      #expect(summary.byteCount == file.byteCount)
      #expect(summary.sha256 == file.sha256())
      #expect(summary.contentHash == (try PackageReader.open(path: "\(folder)/a.quern")).contentHash)
    }
  }

  @Test func newMetadataGivesTheFileThatWritingItWould() throws {
    try withFolder { folder in
      let (a, b) = ("\(folder)/a.quern", "\(folder)/b.quern")
      var package = try ToyPackages.small()
      let first = try PackageWriter.write(package, to: a)
      let fidelity = #"{"drift": 0.001, "passed": true}"# + String(repeating: " ", count: 500)
      let second = try PackageWriter.write(PackageReader.open(path: a), metadata: fidelity, to: a)
      package.metadata = fidelity
      let third = try PackageWriter.write(package, to: b)
      #expect(second == third)
      #expect(second.contentHash == first.contentHash)
      #expect(try MappedFile(path: a).sha256() == MappedFile(path: b).sha256())
      #expect(try PackageReader.open(path: a).readAll().metadata == fidelity)
    }
  }

  @Test func missingFolderAndFileHaveTheirOwnKinds() throws {
    let package = try ToyPackages.small()
    #expect { try PackageWriter.write(package, to: "/nonexistent/a.quern") } throws: {
      ($0 as? PackageError)?.kind == .cannotCreate
    }
    #expect { try PackageReader.open(path: "/nonexistent/a.quern") } throws: {
      ($0 as? PackageError)?.kind == .missingInput
    }
    #expect { try PackageWriter.write(package, to: "/dev/full") } throws: {
      ($0 as? PackageError)?.kind == .inputOutput
    }
  }
}
