import Graphs
import Kernels
import PackageFormat
import Runtime
import Threads

/// What a self-test found with one set of kernels.
package struct SelfTestResult: Hashable, Sendable {
  /// A value that differs from the package's record.
  package struct Difference: Hashable, Sendable {
    /// The name of the node that computes the value.
    package let node: String
    /// The name of the node's operator.
    package let op: String
    /// Whether bits were compared; otherwise the value is beyond its tolerance.
    package let isOfBits: Bool
  }

  /// A value whose bits the package does not state for this implementation.
  package struct Unstated: Hashable, Sendable {
    /// The name of the node that computes the value.
    package let node: String
    /// The name of the node's operator.
    package let op: String
    /// The hash of the value's bytes, as a check would state it. It is the same for all kernels of a machine.
    package let hash: UInt64
  }

  /// The number of checks that were made.
  package let checkCount: Int
  /// The number of checks that were left out, because they state the bits of another implementation.
  package let skippedCount: Int
  /// Whether an output of the network was compared. Without that, a test shows nothing.
  package internal(set) var comparesOutputs = false
  /// The values that differ, in order of execution.
  package internal(set) var differences: [Difference] = []
  /// The names of the nodes among which is the one that computed something else, in order of execution: those between
  /// the first value that differs and the values before it that do not. Empty where nothing differs.
  package internal(set) var suspects: [String] = []
  /// The values whose bits the package does not state, in order of execution, so that kernels can be compared with each
  /// other.
  package internal(set) var unstated: [Unstated] = []
  /// The number of threads that ran the test, each of them all of it.
  package internal(set) var threadCount = 1
  /// The number of threads that found differences. Where only some do, a core is at fault rather than a kernel.
  package internal(set) var failedThreadCount = 0

  /// Whether outputs were compared, and nothing differs.
  package var passed: Bool { comparesOutputs && differences.isEmpty }

  /// Checks that the test shows something about the network.
  ///
  /// - Throws: `SelfTestError.nothingCompared` where nothing differs, but no output was compared.
  package func checkCoverage() throws(SelfTestError) {
    guard comparesOutputs || !differences.isEmpty else { throw .nothingCompared(skippedChecks: skippedCount) }
  }
}

/// A self-test that cannot be run.
package enum SelfTestError: Error, Hashable, Sendable {
  /// The package has no self-test.
  case missing
  /// The package has no check of an output, or none that this implementation can make.
  case nothingCompared(skippedChecks: Int)
}

extension SelfTestError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .missing:
      "the package has no self-test, as it was made by an earlier version of quern or by another program; convert the "
        + "checkpoint again"
    case .nothingCompared(let skipped):
      "the self-test of the package shows nothing, as it compares no output of the network"
        + (skipped == 0 ? "" : " but bits that another implementation computed (\(skipped) checks, which are left out)")
        + "; convert the checkpoint again"
    }
  }
}

extension PackagedNetwork {
  /// Runs the network on the synthetic images of the package's self-test, and compares the results with those that the
  /// package states.
  ///
  /// - Parameters:
  ///   - kernels: the kernels to test.
  ///   - threads: how many threads prepare the network, and then run the whole test, at the same time.
  /// - Throws: `SelfTestError`; `PackageError` where the record or constants are damaged; `GraphError` where
  ///   the graph cannot run, or the memory does not suffice.
  package func selfTest(kernels: KernelSet = KernelSet(), threads: Int = 1) throws -> SelfTestResult {
    guard let record = try reader.selfTest() else { throw SelfTestError.missing }
    let result = try record.result(for: try executable(kernels: kernels, threads: threads), threads: threads)
    try result.checkCoverage()
    return result
  }
}

extension SelfTestRecord {
  /// Compares what a network computes with this record.
  ///
  /// - Parameters:
  ///   - network: the network, with the graph that the record was made for, ready to run.
  ///   - threads: how many threads run the whole test, at the same time, so that all cores take part. Where several
  ///     find differences, the result is that of one of them.
  /// - Throws: `GraphError.inputSize` where the memory does not suffice, or the network cannot take the images.
  package func result(for network: Executable, threads: Int) throws(GraphError) -> SelfTestResult {
    let sketched = Set(checks.filter(\.isSketch).map(\.value))
    let hashed = Set(checks.map(\.value))
    let runs = ThreadTeam(count: threads).map(threads) { _ in
      Result { () throws(GraphError) in try digests(network, hashed: hashed, sketched: sketched) }
    }
    var results: [SelfTestResult] = []
    for run in runs { results.append(result(for: try run.get(), network.graph)) }
    var result = results.first { !$0.differences.isEmpty } ?? results[0]
    (result.threadCount, result.failedThreadCount) = (results.count, results.count { !$0.differences.isEmpty })
    return result
  }

  private func result(for digests: [Int: ValueDigest], _ graph: Graph) -> SelfTestResult {
    let isOwn = implementation == Self.ownImplementation
    let compared = checks.filter { if case .implementation = $0.expectation { isOwn } else { true } }
    var result = SelfTestResult(checkCount: compared.count, skippedCount: checks.count - compared.count)
    let (reproducibility, outputs) = (graph.reproducibility, graph.outputNumbers)
    // A value within its tolerance can still be wrong.
    var (right, first): (Set<Int>, Int?) = ([], nil)
    for check in compared {
      guard let digest = digests[check.value] else { continue }
      if outputs.contains(check.value) { result.comparesOutputs = true }
      // The implementation that made the record differs from itself in powers only.
      let isClose = isOwn && !reproducibility[graph.nodes[check.value - 1].output.index].isRoundedByLibrary
      if check.accepts(digest, within: isClose ? Self.powerTolerance : .infinity) {
        if !check.isSketch { right.insert(check.value) }
        continue
      }
      first = first ?? check.value
      let node = graph.nodes[check.value - 1]
      // A value whose bits differ can also be beyond its tolerance.
      guard result.differences.last?.node != node.name else { continue }
      result.differences.append(.init(node: node.name, op: node.kind, isOfBits: !check.isSketch))
    }
    let stated = Set(compared.filter { !$0.isSketch }.map(\.value))
    result.unstated = digests.sorted { $0.key < $1.key }.filter { !stated.contains($0.key) }.map { value, digest in
      let node = graph.nodes[value - 1]
      return SelfTestResult.Unstated(node: node.name, op: node.kind, hash: digest.hash)
    }
    if let first { result.suspects = graph.names(computing: first, from: right) }
    return result
  }
}

extension SelfTestRecord.Check {
  fileprivate var isSketch: Bool { if case .sketch = expectation { true } else { false } }

  fileprivate func accepts(_ digest: ValueDigest, within tolerance: Float) -> Bool {
    switch expectation {
    case .specified(let hash), .implementation(let hash): digest.hash == hash
    case .sketch(let sketch): sketch.accepts(norm: digest.norm, projections: digest.projections, within: tolerance)
    }
  }
}

extension Graph {
  /// The names of the nodes that compute a value from others that are known to be right, in order of execution.
  fileprivate func names(computing value: Int, from right: Set<Int>) -> [String] {
    let numbers = valueNumbers
    var (found, pending): (Set<Int>, [Int]) = ([], [value])
    while let value = pending.popLast() {
      guard value > 0, !right.contains(value), found.insert(value).inserted else { continue }
      pending += nodes[value - 1].inputs.compactMap { numbers[$0] }
    }
    return found.sorted().map { nodes[$0 - 1].name }
  }
}
