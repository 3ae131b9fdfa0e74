import Fidelity
import Graphs
import ModelImport
import Pixels
import Runtime
import Threads

/// Looks for the preprocessing with which a network gives a framework's outputs, by trying one change and then two.
struct OutputSuspects {
  private let context: DifferenceExplanation
  /// The number of images that a candidate is confirmed on.
  private static let confirmationLimit = 4

  init(_ context: DifferenceExplanation) { self.context = context }

  /// The preprocessing with the fewest changes that explains all outputs; `nil` if none does.
  ///
  /// - Throws: `ImageError` where an image cannot be read; `GraphError` where the network cannot run on one.
  func explanation(_ rows: [ReferenceChecker.Row]) throws -> InputView? {
    let sample = try rows.prefix(Self.confirmationLimit).map { ($0, try LoadedImage($0.file).pixels) }
    guard let first = sample.first else { return nil }
    for candidates in candidates() {
      let sessions = WorkerLocal { Session(context.executable) }
      let fitting = SlotStore<InputView>()
      ThreadTeam(count: min(context.threads, candidates.count)).forEach(candidates.count) { index, worker in
        // A view that this image or the network does not support explains nothing.
        if (try? explains(candidates[index], [first], sessions[worker])) == true { fitting[index] = candidates[index] }
      }
      let session = Session(context.executable)
      for view in fitting.inOrder where try explains(view, sample, session) { return view }
    }
    return nil
  }

  private func explains(
    _ view: InputView, _ sample: [(row: ReferenceChecker.Row, pixels: RGBImage)], _ session: Session
  ) throws -> Bool {
    var difference = OutputDifference()
    for (row, pixels) in sample {
      let input = context.source.networkInput(try view.sourceInput(pixels))
      difference.add(try session.outputs(normalized: input), for: row)
    }
    return difference.differences.passes(context.tolerances)
  }

  /// The preprocessing that the file states, then single changes, then pairs of changes.
  private func candidates() -> [[InputView]] {
    let view = context.view
    let changes = changes()
    func applying(_ change: Change, to view: InputView) -> InputView? { change(view).flatMap { $0 == view ? nil : $0 } }
    let singles = changes.joined().compactMap { applying($0, to: view) }
    var pairs: [InputView] = []
    for (index, first) in changes.enumerated() {
      for second in changes[(index + 1)...] {
        for a in first {
          guard let one = applying(a, to: view) else { continue }
          pairs += second.compactMap { applying($0, to: one) }
        }
      }
    }
    return [[context.stated.view(changing: view)].compactMap { $0 }, singles, pairs].filter { !$0.isEmpty }
  }

  private typealias Change = (InputView) -> InputView?

  /// Lists of changes that exclude each other: a candidate takes at most one from each list.
  private func changes() -> [[Change]] {
    func evaluation(_ make: @escaping (EvaluationProtocol) throws -> EvaluationProtocol) -> Change {
      { view in
        guard let evaluation = try? make(view.evaluation) else { return nil }
        var result = view
        result.evaluation = evaluation
        return result
      }
    }
    let filters = ResizeFilter.allCases.map { filter in
      evaluation { try EvaluationProtocol(crop: $0.crop, size: $0.size, filter: filter, cropRatio: $0.cropRatio) }
    }
    let ratios = UsualRatios.all.map { ratio in
      evaluation { try EvaluationProtocol(crop: .square, size: $0.size, filter: $0.filter, cropRatio: ratio) }
    }
    let rect = evaluation { try EvaluationProtocol(crop: .rect, size: $0.size, filter: $0.filter) }
    let orders = ChannelOrder.allCases.map { order in
      { (view: InputView) -> InputView? in
        var result = view
        result.channelOrder = order
        return result
      }
    }
    let normalizations = [.imageNet, .half, .unit, .raw].map { (normalization: Preprocessing) in
      { (view: InputView) -> InputView? in
        var result = view
        result.normalization = normalization
        return result
      }
    }
    return [filters, [rect] + ratios, orders, normalizations]
  }
}

extension GoldenFile.StatedPreprocessing {
  /// `view` with everything that the file states; `nil` if that changes nothing.
  func view(changing view: InputView) -> InputView? {
    let current = view.evaluation
    guard
      let evaluation = try? EvaluationProtocol(
        crop: crop ?? current.crop, size: size ?? current.size, filter: filter ?? current.filter,
        cropRatio: cropRatio ?? current.cropRatio)
    else { return nil }
    let result = InputView(
      evaluation: evaluation, normalization: normalization ?? view.normalization,
      channelOrder: channelOrder ?? view.channelOrder)
    return result == view ? nil : result
  }
}
