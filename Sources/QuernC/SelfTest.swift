// The names of functions are those of quern.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CQuern
import Inference
import Kernels
import PackageFormat

/// What a self-test found with one tier.
private struct TierResult {
  let tier: KernelTier
  let result: SelfTestResult
  /// The values whose bits differ from those of the first tier, while the package leaves them open.
  let disagreements: [SelfTestDisagreement]

  var passed: Bool { result.passed && disagreements.isEmpty }

  /// Which layer differs, for the message; only where one does.
  var explanation: String {
    guard let first = result.differences.first else {
      let layer = disagreements.first.map { "\($0.node) (\($0.op))" } ?? ""
      return "\(tier.name): layer \(layer) has other bits than with \(disagreements.first?.groups.first?.first ?? "")"
    }
    let layer = "layer \(first.node) (\(first.op))"
    let place =
      result.suspects.count > 1
      ? "one of \(result.suspects.count) layers from \(result.suspects[0]) to \(layer)" : layer
    let (failed, all) = (result.failedThreadCount, result.threadCount)
    let cores = failed == all ? "" : ", on \(failed) of \(all) threads only, which points to a faulty core or memory"
    return "\(tier.name): \(place) is wrong, \(result.differences.count) layers differ\(cores)"
  }

  func encoded(for handle: ModelHandle) -> quern_selftest_result {
    var encoded = quern_selftest_result()
    encoded.tier = Tier(tier).number
    (encoded.checks, encoded.skipped_checks) = (
      UInt32(clamping: result.checkCount), UInt32(clamping: result.skippedCount)
    )
    (encoded.threads, encoded.failed_threads) = (
      UInt32(clamping: result.threadCount), UInt32(clamping: result.failedThreadCount)
    )
    if let first = result.differences.first {
      encoded.difference = (first.isOfBits ? QUERN_DIFFERENCE_BITS : QUERN_DIFFERENCE_TOLERANCE).rawValue
      encoded.different_layers = UInt32(clamping: result.differences.count)
      encoded.suspect_layers = UInt32(clamping: result.suspects.count)
      (encoded.layer, encoded.op) = (handle.name(first.node), handle.name(first.op))
      encoded.first_suspect = handle.name(result.suspects.first ?? first.node)
    } else if let first = disagreements.first {
      encoded.difference = QUERN_DIFFERENCE_TIERS.rawValue
      encoded.different_layers = UInt32(clamping: disagreements.count)
      (encoded.layer, encoded.op) = (handle.name(first.node), handle.name(first.op))
      encoded.first_suspect = encoded.layer
    }
    return encoded
  }
}

extension SelfTestError {
  fileprivate var status: quern_status {
    switch self {
    case .missing: QUERN_ERROR_NO_SELFTEST
    case .nothingCompared: QUERN_ERROR_BAD_DATA
    }
  }
}

extension ModelHandle {
  /// Runs the package's self-test with some tiers, one after another.
  ///
  /// - Throws: a failure where there is no self-test, or one that compares no output, or the network cannot run.
  fileprivate func selfTest(_ tiers: [KernelTier], threads: Int) throws(Failure) -> [TierResult] {
    var results: [(tier: KernelTier, result: SelfTestResult)] = []
    for tier in tiers {
      do {
        let kernels = KernelSet(features: tier.features)
        results.append((tier, try model.network.selfTest(kernels: kernels, threads: threads)))
      } catch let error as SelfTestError {
        throw Failure(error.status, "\(error)")
      } catch {
        throw Failure(InferenceError(error))
      }
    }
    let disagreements = SelfTestDisagreement.among(results.map { ($0.tier.name, $0.result) })
    return results.map { tier, result in
      TierResult(
        tier: tier, result: result,
        disagreements: disagreements.filter { $0.groups.first.map { !$0.contains(tier.name) } ?? false })
    }
  }
}

#if compiler(>=6.3)
  @c(quern_selftest) @implementation
#else
  @_cdecl("quern_selftest")
#endif
public func quern_selftest(
  _ model: OpaquePointer?, _ options: UnsafePointer<quern_selftest_options>?,
  _ results: UnsafeMutablePointer<quern_selftest_result>?, _ capacity: Int, _ count: UnsafeMutablePointer<Int>?
) -> quern_status {
  status { () throws(Failure) in
    count?.pointee = 0
    let handle = try ModelHandle.required(model)
    let options = try quern_selftest_options.read(options)
    guard options.flags & ~QUERN_SELFTEST_SCALAR == 0, options.reserved == 0 else {
      throw Failure(QUERN_ERROR_UNSUPPORTED, "quern_selftest_options has flags that this version of libquern lacks")
    }
    let tiers = try Tier(options.tier).tested(includesScalar: options.flags & QUERN_SELFTEST_SCALAR != 0)
    let threads = try threadCount(options.threads)
    if let results {
      try quern_selftest_result.check(results, "results")
      guard capacity >= tiers.count else {
        throw Failure(
          QUERN_ERROR_BUFFER_TOO_SMALL, "results has memory for \(capacity) tiers, and \(tiers.count) are tested")
      }
    }
    let tested = try handle.selfTest(tiers, threads: threads)
    if let results {
      try quern_selftest_result.write(tested.map { $0.encoded(for: handle) }, to: results, "results")
    }
    count?.pointee = tested.count
    let failed = tested.filter { !$0.passed }
    guard failed.isEmpty else {
      throw Failure(
        QUERN_ERROR_SELFTEST_FAILED,
        "this machine does not compute what the package states; do not use these kernel tiers on it: "
          + failed.map(\.explanation).joined(separator: "; "))
    }
  }
}
