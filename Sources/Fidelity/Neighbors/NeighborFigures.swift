import ReportRules

/// What an int8 network changes in searches among the images of a verification: every image is a query, itself left
/// out, and the others are the gallery.
///
/// The reference is the float network's search, of float queries in a gallery of float embeddings. It is compared with
/// int8 queries in a gallery of int8 embeddings, and in the float gallery ("mixed"), as in a fleet in the middle of an
/// update.
package struct NeighborFigures: Hashable, Sendable, Codable {
  /// The maximum number of images that are searched.
  package static let maxImages = 10_000
  /// The largest median distance of the embeddings of different images that is kept.
  package static let smallDistance = ReportLimits.smallDistance

  /// The number of queries, at least two: all images compared, or `maxImages` of them.
  package let images: Int
  /// The value of `NearTie.minGap` when the agreement was measured.
  package let minGap: Double
  /// The number of queries that are near ties: the similarities of the float network's first two neighbours are less
  /// than `minGap` standard deviations of the query's similarities to the gallery apart.
  package let nearTies: Int
  /// The number of images with exactly the float embedding of another before them; nil for none, and in reports of
  /// earlier versions.
  package let copies: Int?
  /// The float network's `Fidelity.medianDistance` between the images, where it is at most `smallDistance`; nil where
  /// it is greater, and in reports of earlier versions.
  package let medianDistance: Double?
  /// Int8 queries in the float gallery.
  package let int8InFloat: NeighborAgreement
  /// Int8 queries in the int8 gallery.
  package let int8InInt8: NeighborAgreement
  /// How well images of the same class are found; nil where the images are not of several classes.
  package let classes: ClassRetrieval?
  /// Which pairs change sides of a threshold; nil where no threshold was given.
  package let decisions: DecisionFigures?

  enum CodingKeys: String, CodingKey {
    case images, copies, classes, decisions
    case medianDistance = "median_distance"
    case minGap = "min_gap"
    case nearTies = "near_ties"
    case int8InFloat = "int8_in_float"
    case int8InInt8 = "int8_in_int8"
  }

  /// The agreement in the gallery where it is lower.
  package var lowerAgreement: NeighborAgreement {
    int8InFloat.top1 < int8InInt8.top1 ? int8InFloat : int8InInt8
  }

  /// - Parameters:
  ///   - queries: one for each image, in any order.
  ///   - copies: the number of images with the float embedding of another before them.
  ///   - medianDistance: the float network's between the images; nil where it is not known.
  /// - Returns: nil for fewer than two images, which have no neighbours.
  package init?(
    _ queries: [NeighborQuery], copies: Int = 0, medianDistance: Double? = nil, decisions: DecisionFigures? = nil
  ) {
    guard queries.count > 1 else { return nil }
    images = queries.count
    minGap = NearTie.minGap
    nearTies = queries.count(where: \.isNearTie)
    self.copies = copies > 0 ? copies : nil
    self.medianDistance = medianDistance.flatMap { $0 <= Self.smallDistance ? $0 : nil }
    int8InFloat = NeighborAgreement(queries, \.agreesInFloat)
    int8InInt8 = NeighborAgreement(queries, \.agreesInInt8)
    classes = ClassRetrieval(queries.compactMap(\.classes))
    self.decisions = decisions
  }
}

/// What was found for one query.
package struct NeighborQuery: Hashable, Sendable {
  /// How early images of the query's class come in a gallery.
  package struct Precision: Hashable, Sendable {
    /// Whether the first neighbour is of the class.
    package let isFirst: Bool
    /// The area under the curve of precision over recall by trapezoids, from 0 to 1.
    package let average: Double

    package init(isFirst: Bool, average: Double) { (self.isFirst, self.average) = (isFirst, average) }
  }

  /// The precisions in the three searches.
  package struct Classes: Hashable, Sendable {
    /// Float queries in the float gallery, int8 queries in the float gallery, and int8 queries in the int8 gallery.
    package let floatInFloat, int8InFloat, int8InInt8: Precision

    package init(floatInFloat: Precision, int8InFloat: Precision, int8InInt8: Precision) {
      (self.floatInFloat, self.int8InFloat, self.int8InInt8) = (floatInFloat, int8InFloat, int8InInt8)
    }
  }

  /// Whether the int8 query's first neighbour in the float gallery is the float query's.
  package let agreesInFloat: Bool
  /// Whether the int8 query's first neighbour in the int8 gallery is the float query's in the float gallery.
  package let agreesInInt8: Bool
  /// Whether the float network hardly decides which neighbour is first.
  package let isNearTie: Bool
  /// nil where no other image is of the query's class, or classes are unknown.
  package let classes: Classes?

  package init(agreesInFloat: Bool, agreesInInt8: Bool, isNearTie: Bool, classes: Classes?) {
    self.agreesInFloat = agreesInFloat
    self.agreesInInt8 = agreesInInt8
    self.isNearTie = isNearTie
    self.classes = classes
  }

  /// An image without neighbours, as one of its embeddings has no direction. Like an image without a first class, it
  /// does not agree.
  package static let withoutDirection = NeighborQuery(
    agreesInFloat: false, agreesInInt8: false, isNearTie: false, classes: nil)
}

/// How often int8 queries find the float network's nearest neighbour in a gallery, in percent.
package struct NeighborAgreement: Hashable, Sendable, Codable {
  /// Of all queries.
  package let top1: Double
  /// The 95 % confidence interval of `top1` (Wilson's). It treats queries as independent, although they share a
  /// gallery.
  package let top1Interval: ConfidenceInterval?
  /// Of the queries that are not near ties; nil without any.
  package let decisive: Double?
  /// The 95 % confidence interval of `decisive`.
  package let decisiveInterval: ConfidenceInterval?

  enum CodingKeys: String, CodingKey {
    case top1
    case top1Interval = "top1_interval"
    case decisive = "decisive_top1"
    case decisiveInterval = "decisive_top1_interval"
  }

  fileprivate init(_ queries: [NeighborQuery], _ agrees: (NeighborQuery) -> Bool) {
    let all = Share(queries.count(where: agrees), of: queries.count)
    let decided = queries.filter { !$0.isNearTie }
    let decisive = Share(decided.count(where: agrees), of: decided.count)
    (top1, top1Interval) = (all?.percent ?? 0, all?.interval)
    (self.decisive, decisiveInterval) = (decisive?.percent, decisive?.interval)
  }
}

/// Retrieval by class: every image is a query, and the others of its class are positives. Images whose class no other
/// image has are no queries.
package struct ClassRetrieval: Hashable, Sendable, Codable {
  /// The figures of one search, in percent.
  package struct Figures: Hashable, Sendable, Codable {
    /// The share of queries whose first neighbour is of their class.
    package let recallAt1: Double
    /// The 95 % confidence interval of `recallAt1` (Wilson's).
    package let recallAt1Interval: ConfidenceInterval?
    /// Mean average precision by trapezoids.
    package let map: Double
    /// The 95 % confidence interval of `map` (bootstrap over queries).
    package let mapInterval: ConfidenceInterval?

    enum CodingKeys: String, CodingKey {
      case map
      case recallAt1 = "recall_at_1"
      case recallAt1Interval = "recall_at_1_interval"
      case mapInterval = "map_interval"
    }

    fileprivate init?(_ precisions: [NeighborQuery.Precision]) {
      guard let recall = Share(precisions.count(where: \.isFirst), of: precisions.count) else { return nil }
      // Sorted, as the rounding of a sum depends on the order.
      let averages = precisions.map(\.average).sorted()
      (recallAt1, recallAt1Interval) = (recall.percent, recall.interval)
      map = 100 * averages.reduce(0, +) / Double(averages.count)
      mapInterval = ConfidenceInterval.ofMean(averages)?.percent
    }
  }

  /// The number of queries.
  package let queries: Int
  /// Float queries in the float gallery.
  package let floatInFloat: Figures
  /// Int8 queries in the float gallery.
  package let int8InFloat: Figures
  /// Int8 queries in the int8 gallery.
  package let int8InInt8: Figures

  private enum CodingKeys: String, CodingKey {
    case queries
    case floatInFloat = "float_in_float"
    case int8InFloat = "int8_in_float"
    case int8InInt8 = "int8_in_int8"
  }

  fileprivate init?(_ queries: [NeighborQuery.Classes]) {
    guard let float = Figures(queries.map(\.floatInFloat)), let mixed = Figures(queries.map(\.int8InFloat)),
      let int8 = Figures(queries.map(\.int8InInt8))
    else { return nil }
    self.queries = queries.count
    (floatInFloat, int8InFloat, int8InInt8) = (float, mixed, int8)
  }
}

/// A share of a number of cases, in percent.
private struct Share {
  let percent: Double
  let interval: ConfidenceInterval?

  /// - Returns: nil without cases.
  init?(_ count: Int, of total: Int) {
    guard total > 0 else { return nil }
    percent = 100 * Double(count) / Double(total)
    interval = ConfidenceInterval.ofShare(Double(count) / Double(total), images: total)?.percent
  }
}
