import Graphs
import Inference
import Kernels
import PackageFormat
import PrintableText
import Runtime

/// The self-test of a package with several tiers of kernels. Encoded, it is the output of `quern selftest --json`.
package struct DeviceTest: Encodable, Sendable {
  /// The result of one tier.
  package struct Tier: Encodable, Sendable {
    /// The name of the tier.
    package let tier: String
    /// The kernels of the tier, such as "igemm: avx512vnni".
    package let kernels: [String]
    /// Whether outputs were compared, and nothing differs.
    package let passed: Bool
    /// The seconds for making the network ready and running it.
    package let seconds: Double
    /// The number of threads that ran the whole test.
    package let threads: Int
    /// The number of threads that found differences.
    package let failedThreads: Int
    /// The names of the layers among which is the one that computed something else, in order of execution.
    package let suspects: [String]
    /// The layers whose results differ, in order of execution.
    package let differences: [Difference]
  }

  /// A layer whose result differs.
  package struct Difference: Encodable, Sendable {
    /// The name of the layer.
    package let layer: String
    /// The name of its operator.
    package let op: String
    /// "bits", or "tolerance" where only a tolerance was exceeded.
    package let differs: String
  }

  /// A layer in which tiers differ from each other, within the tolerance of the package.
  package struct Disagreement: Encodable, Sendable {
    /// The name of the layer.
    package let layer: String
    /// The name of its operator.
    package let op: String
    /// The names of the tiers that agree with each other, in one list for each result.
    package let tiers: [[String]]
  }

  let schema = "quern.selftest/1"
  /// The path of the package, as it was given.
  package let path: String
  /// The content hash of the package in hexadecimal digits.
  package let contentHash: String
  /// Whether nothing differs with any tier, nor between tiers.
  package let passed: Bool
  /// The number of synthetic images.
  package let images: Int
  /// The height of the images in pixels.
  package let height: Int
  /// The width of the images in pixels.
  package let width: Int
  /// The number of checks that were made with each tier.
  package let checks: Int
  /// The number of checks that were left out, because they state the bits of another implementation.
  package let skippedChecks: Int
  /// The results by tier, in the order of `KernelTier.available`.
  package let tiers: [Tier]
  /// The layers in which tiers differ from each other, and whose bits the package does not state, in order of
  /// execution.
  package let disagreements: [Disagreement]

  /// Runs the self-test.
  ///
  /// - Parameters:
  ///   - path: the path of the package.
  ///   - tiers: the tiers to test, at least one.
  ///   - threads: how many threads run the whole test at the same time.
  /// - Throws: `ConversionError.package` where the file is not a package or damaged, `.wrongKind` where it has no
  ///   self-test, or one that compares no output of the network; `GraphError` where the network cannot run.
  package init(path: String, tiers: [KernelTier], threads: Int, progress: any ProgressObserver) throws {
    let reader = try PackageReader.opening(path)
    let (network, record) = try Self.open(reader)
    var results: [(tier: KernelTier, kernels: KernelSet, result: SelfTestResult, seconds: Double)] = []
    progress.begin("self-test", total: tiers.count, unit: .tiers)
    for tier in tiers {
      let start = ContinuousClock.now
      let kernels = KernelSet(features: tier.features)
      let executable: Executable
      do { executable = try network.executable(kernels: kernels, threads: threads) } catch let error as PackageError {
        throw ConversionError.package(path: path, error)
      }
      let result: SelfTestResult
      do throws(GraphError) { result = try record.result(for: executable, threads: threads) } catch {
        throw ConversionError.wrongKind("\(path): the self-test cannot be run: \(error)")
      }
      do throws(SelfTestError) { try result.checkCoverage() } catch {
        throw ConversionError.wrongKind("\(path): \(error)")
      }
      results.append((tier, kernels, result, (ContinuousClock.now - start).seconds))
      progress.advance()
    }
    progress.end()
    self.path = path
    contentHash = reader.contentHash.hex
    (images, height, width) = (record.imageCount, record.height, record.width)
    checks = results.first?.result.checkCount ?? 0
    skippedChecks = results.first?.result.skippedCount ?? 0
    disagreements = SelfTestDisagreement.among(results.map { ($0.tier.name, $0.result) }).map {
      Disagreement(layer: $0.node, op: $0.op, tiers: $0.groups)
    }
    passed = results.allSatisfy(\.result.passed) && disagreements.isEmpty
    self.tiers = results.map { tier, kernels, result, seconds in
      Tier(
        tier: tier.name, kernels: kernels.names, passed: result.passed, seconds: seconds, threads: result.threadCount,
        failedThreads: result.failedThreadCount, suspects: result.suspects,
        differences: result.differences.map {
          Difference(layer: $0.node, op: $0.op, differs: $0.isOfBits ? "bits" : "tolerance")
        })
    }
  }

  private static func open(_ reader: PackageReader) throws -> (PackagedNetwork, SelfTestRecord) {
    do {
      guard let record = try reader.selfTest() else { throw SelfTestError.missing }
      return (try PackagedNetwork(reader), record)
    } catch let error as PackageError {
      throw ConversionError.package(path: reader.path, error)
    } catch let error as SelfTestError {
      throw ConversionError.wrongKind("\(reader.path): \(error)")
    }
  }

  /// The test as text for a terminal.
  package var text: String {
    let width = tiers.map(\.tier.count).max() ?? 0
    let lines = tiers.map { tier in
      let name = tier.tier + String(repeating: " ", count: width + 2 - tier.tier.count)
      let seconds = "\((tier.seconds * 100).rounded() / 100) s"
      return name + (tier.passed ? "the same  " : "DIFFERS  ") + seconds + (tier.passed ? "" : "\n" + tier.explanation)
    }
    let skipped =
      skippedChecks == 0
      ? "" : "\n\(skippedChecks) checks of bits that another implementation computed were left out"
    return "\(checks) checks, \(images) synthetic images of \(self.width) x \(height) pixels\(skipped)\n\n"
      + (lines + disagreements.map(\.text)).joined(separator: "\n") + "\n\n"
      + (passed
        ? "This machine computes what the package states."
        : "This machine does not compute what the package states: do not use these tiers on it.")
  }
}

extension DeviceTest.Disagreement {
  fileprivate var text: String {
    "DIFFERS between tiers: \(printable(layer)) (\(op)): "
      + tiers.map { $0.joined(separator: ", ") }.joined(separator: " against ")
  }
}

extension DeviceTest.Tier {
  /// Which layers differ, and what that means.
  fileprivate var explanation: String {
    let layers =
      suspects.count == 1
      ? "layer \(printable(suspects[0]))"
      : "one of \(suspects.count) layers, \(printable(suspects.first ?? "")) to \(printable(suspects.last ?? ""))"
    let first = differences.first.map { " (\($0.op))" } ?? ""
    let cores =
      failedThreads == threads
      ? ""
      : "; on \(failedThreads) of \(threads) threads, so that a core or the memory is at fault rather than a kernel"
    return "  first difference in \(layers)\(suspects.count == 1 ? first : "")\(cores)\n"
      + "  \(differences.count) layers differ: \(differences.prefix(8).map { printable($0.layer) }.joined(separator: ", "))"
      + (differences.count > 8 ? ", …" : "") + "\n  kernels: \(kernels.joined(separator: ", "))"
  }
}
