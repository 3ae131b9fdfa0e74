import PackageFormat
import ReportRules

/// The figures of a stored report at one size, and their gates (formats/report.md). Only what contradicts neither
/// itself nor the gates is read.
struct StoredFigures: Hashable {
  /// The number of images compared.
  let images: Int
  /// Those whose class is known.
  let labelledImages: Int
  /// Those with an output that is NaN or infinite.
  let nonFiniteImages: Int
  /// Whether comparing stopped early.
  let isStopped: Bool
  /// Whether the outputs of both networks are the same for every image.
  let hasSameOutputs: Bool
  /// Whether the float network ranks the same class first for every image.
  private let hasOneAnswer: Bool
  /// The number of searched images with the float embedding of another; `nil` where it was not measured.
  let copies: Int?
  /// The number of images that were searched.
  let searchedImages: Int
  let gates: [StoredGate]
  /// The number of images that are not near ties.
  private var decisiveImages = 0
  /// The number of images that were searched and are not near ties.
  private var decisiveQueries = 0
  /// How many labelled images only one of the networks classifies correctly; `nil` where it is not stated.
  private var changes: ChangeCounts?
  /// The figures by the names of their members, such as "drift.mean".
  private(set) var values: [String: Double] = [:]
  /// The intervals of figures, by the same names.
  private(set) var intervals: [String: IntervalEnds] = [:]

  /// Whether images were compared and every gate passed.
  var passed: Bool { images > 0 && !gates.isEmpty && gates.allSatisfy(\.passed) }

  /// Whether the float network finds the labels hardly more often than chance would, or too few images tell it from
  /// chance (formats/report.md, "Chance").
  var isNearChance: Bool {
    guard let chance = values["chance"], let interval = intervals["float.top1"] else { return false }
    return interval.cannotTell(fromChance: chance)
  }

  /// Whether the limits are such that a network which tells no images apart would keep them.
  var isVacuous: Bool {
    let medianDistance = values["neighbours.median_distance"]
    return gates.contains {
      $0.name.isVacuous(limit: $0.limit, medianDistance: medianDistance, hasOneAnswer: hasOneAnswer)
    }
  }

  /// - Parameters:
  ///   - report: the object that has the figures among its members: a report, or one of its sizes.
  ///   - leavingOut: the gates that do not belong to the figures.
  ///   - requiresIntervals: whether figures of several images must have intervals, which early versions did not write.
  /// - Throws: `PackageError.invalidReport` where a figure is missing, or contradicts others.
  init(
    _ report: ReportObject, leavingOut others: Set<GateName> = [], requiresIntervals: Bool
  ) throws(PackageError) {
    let images = try report.required("images", try report.count("images"))
    try require(images >= 0, "it states \(images) images")
    self.images = images
    labelledImages = try report.required("labelled_images", try report.count("labelled_images"))
    nonFiniteImages = try report.required("non_finite_images", try report.count("non_finite_images"))
    try requireCount("labelled_images", labelledImages, of: images)
    try requireCount("non_finite_images", nonFiniteImages, of: images)
    isStopped = try report.flag("stopped_when_decided") ?? false
    hasSameOutputs = try report.flag("identical_outputs") ?? false
    hasOneAnswer = try report.flag("one_answer") ?? false
    var gates: [StoredGate] = []
    for object in try report.required("gates", try report.objects("gates")) {
      let gate = try StoredGate(object)
      if !others.contains(gate.name) { gates.append(gate) }
    }
    self.gates = gates
    let neighbors = try report.object("neighbours")
    searchedImages = try Self.searchedImages(neighbors)
    copies = try neighbors?.count("copies")
    try requireCount("neighbours.images", searchedImages, of: images)
    try requireCount("neighbours.copies", copies, of: searchedImages)

    try readDrift(try report.required("drift", try report.object("drift")))
    for name in ["agreement", "float", "int8"] {
      let object = try report.required(name, try report.object(name))
      try read("top1", of: object, in: ReportLimits.percentages, interval: "top1_interval")
      try read("top5", of: object, in: ReportLimits.percentages)
      if let top1 = values["\(name).top1"], let top5 = values["\(name).top5"] {
        try require(top1 <= top5, "\(name).top1 is greater than \(name).top5")
      }
    }
    try read("chance", of: report, in: ReportLimits.percentages)
    try readDecisiveAgreement(of: report)
    try readDrop(of: report)
    if let neighbors { try read(neighbors) }
    try checkWorstImages(try report.required("worst_images", try report.objects("worst_images")))
    if isStopped {
      let available = try report.required("images_at_hand", try report.count("images_at_hand"))
      try requireCount("images", images, of: available)
      try read("share_above_max_drift_upper", of: report, in: 0...1)
    }
    try checkIntervals(areRequired: requiresIntervals)
    try checkGates()
  }

  private static func searchedImages(_ neighbors: ReportObject?) throws(PackageError) -> Int {
    guard let neighbors else { return 0 }
    let images = try neighbors.required("images", try neighbors.count("images"))
    let nearTies = try neighbors.required("near_ties", try neighbors.count("near_ties"))
    try requireCount("neighbours.near_ties", nearTies, of: images)
    return images
  }

  /// Reads a figure, if it is there, and checks that it is in its range, and its interval around it.
  private mutating func read(
    _ key: String, of object: ReportObject, in range: ClosedRange<Double>, interval intervalKey: String? = nil
  ) throws(PackageError) {
    let name = object.name(of: key)
    let value = try object.number(key)
    if let value {
      try require(
        range.isNear(value), "\(name) is \(value), which is not from \(range.lowerBound) to \(range.upperBound)")
      values[name] = value
    }
    guard let intervalKey, let interval = try object.interval(intervalKey) else { return }
    try requireInterval(name, interval, in: range)
    guard let value else { throw .invalidReport("\(name) has an interval and no value") }
    try require(interval.contains(value), "\(name) is \(value), which is outside of its interval")
    intervals[name] = interval
  }

  private mutating func readDrift(_ drift: ReportObject) throws(PackageError) {
    try read("mean", of: drift, in: ReportLimits.drifts, interval: "mean_interval")
    try read("std", of: drift, in: ReportLimits.drifts)
    let rising = ["p50", "p95", "p99", "max"]
    for key in rising { try read(key, of: drift, in: ReportLimits.drifts) }
    guard images > 0 else { return }
    guard let mean = values["drift.mean"], let greatest = values["drift.max"] else {
      throw .invalidReport("it has images and no drift")
    }
    try require(mean <= greatest * (1 + ReportLimits.rounding), "drift.mean is greater than drift.max")
    let quantiles = rising.compactMap { values["drift.\($0)"] }
    for (value, next) in zip(quantiles, quantiles.dropFirst()) {
      try require(value <= next * (1 + ReportLimits.rounding), "the quantiles of drift fall")
    }
  }

  private mutating func read(_ neighbors: ReportObject) throws(PackageError) {
    decisiveQueries = searchedImages - (try neighbors.count("near_ties") ?? 0)
    try read("median_distance", of: neighbors, in: 0...ReportLimits.smallDistance)
    for name in ["int8_in_float", "int8_in_int8"] {
      let object = try neighbors.required(name, try neighbors.object(name))
      _ = try object.required("top1", try object.number("top1"))
      try read("top1", of: object, in: ReportLimits.percentages, interval: "top1_interval")
      try read("decisive_top1", of: object, in: ReportLimits.percentages, interval: "decisive_top1_interval")
    }
  }

  /// The agreement is written under an earlier name, too.
  private mutating func readDecisiveAgreement(of report: ReportObject) throws(PackageError) {
    let name = "decisive_agreement"
    var found: [Figure] = []
    for key in [name, "clear_agreement"] {
      guard let object = try report.object(key, at: name) else { continue }
      let decisive = try object.required("images", try object.count("images"))
      try requireCount("\(name).images", decisive, of: images)
      let earlier = try object.count("coin_tosses")
      let nearTies = try object.count("near_ties") ?? earlier
      try requireCount("\(name).near_ties", try object.required("near_ties", nearTies), of: images - decisive)
      decisiveImages = decisive
      (values["\(name).top1"], intervals["\(name).top1"]) = (nil, nil)
      try read("top1", of: object, in: ReportLimits.percentages, interval: "top1_interval")
      found.append(figure("\(name).top1"))
    }
    if let first = found.first, let last = found.last {
      try require(first == last, "'clear_agreement' differs from '\(name)'")
    }
  }

  private mutating func readDrop(of report: ReportObject) throws(PackageError) {
    try read("top1_drop", of: report, in: ReportLimits.drops, interval: "top1_drop_interval")
    let drop = values["top1_drop"]
    if let drop {
      guard let float = values["float.top1"], let int8 = values["int8.top1"],
        abs(float - int8 - drop) < ReportLimits.percentRounding
      else {
        throw .invalidReport("top1_drop is not the difference of float and int8")
      }
    }
    guard let object = try report.object("top1_changes") else { return }
    let lost = try object.required("lost", try object.count("lost"))
    let gained = try object.required("gained", try object.count("gained"))
    try requireCount("top1_changes.lost", lost, of: labelledImages)
    try requireCount("top1_changes.gained", gained, of: labelledImages - lost)
    changes = ChangeCounts(lost: lost, gained: gained)
    if let drop, labelledImages > 0 {
      let change = 100 * Double(lost - gained) / Double(labelledImages)
      try require(abs(change - drop) < ReportLimits.percentRounding, "top1_drop is not that of top1_changes")
    }
  }

  private func checkWorstImages(_ worst: [ReportObject]) throws(PackageError) {
    try require(worst.count <= images, "it has more worst images than images")
    var last: Double?
    for image in worst {
      _ = try image.required("name", try image.text("name"))
      let drift = try image.required("drift", try image.number("drift"))
      try require(ReportLimits.drifts.isNear(drift), "the drift of a worst image is \(drift)")
      try require(last != nil || drift == values["drift.max"], "drift.max is not the drift of the worst image")
      try require(drift <= last ?? drift, "the worst images are not in the order of drift")
      last = drift
    }
  }
}

// MARK: - Intervals

extension StoredFigures {
  /// Checks that intervals follow from the numbers that a report states (`StatedFigure`). With another interval, or
  /// without one, a gate that more images might decide otherwise would seem decided.
  ///
  /// - Parameter areRequired: whether a figure of several images must have an interval.
  private func checkIntervals(areRequired: Bool) throws(PackageError) {
    try requireNone(
      stated("drift.mean", of: images).meanProblem(
        deviation: values["drift.std"], greatest: values["drift.max"], isRequired: areRequired))
    let shares = [
      ("agreement.top1", images), ("float.top1", labelledImages), ("int8.top1", labelledImages),
      ("decisive_agreement.top1", decisiveImages),
      ("neighbours.int8_in_float.top1", searchedImages), ("neighbours.int8_in_int8.top1", searchedImages),
      ("neighbours.int8_in_float.decisive_top1", decisiveQueries),
      ("neighbours.int8_in_int8.decisive_top1", decisiveQueries),
    ]
    for (name, total) in shares { try requireNone(stated(name, of: total).shareProblem(isRequired: areRequired)) }
    try requireNone(stated("top1_drop", of: labelledImages).dropProblem(changes, isRequired: areRequired))
  }

  private func stated(_ name: String, of images: Int) -> StatedFigure {
    StatedFigure(name, values[name], intervals[name], images: images)
  }
}

private func requireNone(_ problem: String?) throws(PackageError) {
  if let problem { throw .invalidReport(problem) }
}

// MARK: - Gates

extension StoredFigures {
  private func checkGates() throws(PackageError) {
    var names: Set<GateName> = []
    for gate in gates {
      let name = gate.name.rawValue
      try require(names.insert(gate.name).inserted, "it has the gate '\(name)' twice")
      guard let figure = figure(of: gate.name) else { continue }
      try require(gate.value == figure.value, "the gate '\(name)' does not have the value of its figure")
      if let interval = gate.interval, gate.hasSequence {
        try require(isStopped, "the gate '\(name)' has an interval of a verification that stopped")
        // As it is the intersection of the intervals after each image, it need not contain the last figure.
        try requireInterval("the gate '\(name)'", interval, in: gate.name.figures)
      } else {
        try require(
          !gate.hasSequence && gate.interval == (isStopped ? nil : figure.interval),
          "the gate '\(name)' does not have the interval of its figure")
      }
    }
    let always = GateName.always(
      images: images, hasAgreement: values["agreement.top1"] != nil, hasDrop: values["top1_drop"] != nil,
      nonFiniteImages: nonFiniteImages)
    for name in always where !names.contains(name) {
      throw .invalidReport("it has no gate '\(name.rawValue)'")
    }
  }

  /// A figure, and its usual interval.
  private struct Figure: Hashable {
    let value: Double?
    let interval: IntervalEnds?
  }

  private func figure(_ name: String) -> Figure { Figure(value: values[name], interval: intervals[name]) }

  /// The figure that a gate limits, and its usual interval; `nil` for gates of something else.
  private func figure(of gate: GateName) -> Figure? {
    switch gate {
    case .meanDrift:
      // As a gate, the mean of a single image may be anything.
      let unknown = IntervalEnds(low: ReportLimits.drifts.lowerBound, high: ReportLimits.drifts.upperBound)
      let interval = intervals["drift.mean"] ?? (images == 1 ? unknown : nil)
      return Figure(value: values["drift.mean"], interval: interval)
    case .maxDrift: return figure("drift.max")
    case .top1Agreement: return figure("agreement.top1")
    case .decisiveAgreement: return figure("decisive_agreement.top1")
    case .top1Drop: return figure("top1_drop")
    case .floatTop1: return figure("float.top1")
    case .neighborAgreement:
      let (mixed, int8) = (figure("neighbours.int8_in_float.top1"), figure("neighbours.int8_in_int8.top1"))
      guard let a = mixed.value, let b = int8.value else { return int8 }
      return a < b ? mixed : int8
    case .nonFiniteImages: return Figure(value: Double(nonFiniteImages), interval: nil)
    case .reference, .regression, .packageBytes: return nil
    }
  }
}

// MARK: - Ranges

private func requireInterval(
  _ name: String, _ interval: IntervalEnds, in range: ClosedRange<Double>
) throws(PackageError) {
  try require(
    interval.low <= interval.high && range.isNear(interval.low) && range.isNear(interval.high),
    "\(name) has an interval from \(interval.low) to \(interval.high)")
}
