import Conversion
import Fidelity
import FidelitySamples
import Testing

/// Searches among the images of a verification, held against a search that compares and sorts everything in double
/// precision.
@Suite struct NeighborTests {
  struct Image {
    let name: String
    let label: Int?
    let float, int8: [Float]
  }

  /// Random embeddings, of which some are equal, one is zero and one is not finite.
  private static func images(seed: UInt64, count: Int = 70, classes: Int = 6) -> [Image] {
    var random = SeededGenerator(state: seed)
    func vector() -> [Float] { (0..<12).map { _ in .random(in: -1...1, using: &random) } }
    let centres = (0..<classes).map { _ in vector() }
    var images: [Image] = []
    for index in 0..<count {
      // One image alone is of its class.
      let label = index == 5 ? classes : Int.random(in: 0..<classes, using: &random)
      let float = zip(label < classes ? centres[label] : vector(), vector()).map { $0 + 0.6 * $1 }
      let int8 = zip(float, vector()).map { $0 + 0.2 * $1 }
      let copied = index % 9 == 8 ? images[index - 3] : nil
      images.append(
        Image(
          name: "\(index * 7919 % 1000)", label: label, float: copied?.float ?? float, int8: copied?.int8 ?? int8))
    }
    images.append(Image(name: "zero", label: 0, float: images[0].float, int8: [Float](repeating: 0, count: 12)))
    images.append(Image(name: "nan", label: 1, float: [Float](repeating: .nan, count: 12), int8: images[1].int8))
    return images
  }

  private static func figures(
    _ images: [Image], _ rule: DecisionRule?, threads: Int = 1, labelled: Bool = true
  ) throws -> NeighborFigures? {
    let embeddings = NeighborEmbeddings(names: images.map(\.name))
    for (index, image) in images.enumerated() {
      embeddings.add(
        index, name: image.name, label: labelled ? image.label : nil, float: image.float, int8: image.int8)
    }
    return try embeddings.figures(rule, threads: threads)
  }

  // MARK: - The naive computation

  private static func cosine(_ a: [Float], _ b: [Float]) -> Double {
    func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
    return dot(a, b) / (dot(a, a) * dot(b, b)).squareRoot()
  }

  /// The other images in the order in which the query finds them.
  private static func ranking(
    _ query: Int, _ images: [Image], _ queries: KeyPath<Image, [Float]>, _ gallery: KeyPath<Image, [Float]>
  ) -> [(image: Image, similarity: Double)] {
    images.indices.filter { $0 != query }.map {
      (images[$0], cosine(images[query][keyPath: queries], images[$0][keyPath: gallery]))
    }.sorted { abs($0.1 - $1.1) > 1e-9 ? $0.1 > $1.1 : $0.0.name < $1.0.name }
  }

  /// The area below the curve, by a walk along it.
  private static func averagePrecision(_ isPositive: [Bool]) -> Double {
    let total = Double(isPositive.count(where: \.self))
    var (found, area, lastRecall, lastPrecision) = (0.0, 0.0, 0.0, 1.0)
    for (place, positive) in isPositive.enumerated() {
      if positive { found += 1 }
      let (recall, precision) = (found / total, found / Double(place + 1))
      area += (recall - lastRecall) * (precision + lastPrecision) / 2
      (lastRecall, lastPrecision) = (recall, precision)
    }
    return area
  }

  @Test(arguments: 1...6 as ClosedRange<UInt64>)
  func neighboursAndClassesAreThoseOfANaiveSearch(seed: UInt64) throws {
    print("seed \(seed)")
    let images = Self.images(seed: seed)
    let figures = try #require(try Self.figures(images, nil))
    let usable = images.dropLast(2).sorted { $0.name < $1.name }
    #expect(figures.images == images.count)
    let searches: [(KeyPath<Image, [Float]>, KeyPath<Image, [Float]>)] = [
      (\.float, \.float), (\.int8, \.float), (\.int8, \.int8),
    ]
    let rankings = searches.map { queries, gallery in
      usable.indices.map { Self.ranking($0, usable, queries, gallery) }
    }
    let isNearTie = rankings[0].map { ranking in
      let similarities = ranking.map(\.similarity)
      let mean = similarities.reduce(0, +) / Double(similarities.count)
      let variance = similarities.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(similarities.count)
      return abs(similarities[0] - similarities[1]) < 0.2 * variance.squareRoot()
    }
    #expect(figures.nearTies == isNearTie.count(where: \.self) && figures.nearTies > 0)
    for (search, agreement) in [(1, figures.int8InFloat), (2, figures.int8InInt8)] {
      let agrees = usable.indices.map { rankings[search][$0][0].image.name == rankings[0][$0][0].image.name }
      // The two images without a direction do not agree.
      #expect(agreement.top1 == 100 * Double(agrees.count(where: \.self)) / Double(images.count))
      let decided = usable.indices.filter { !isNearTie[$0] }
      let decisive = 100 * Double(decided.count { agrees[$0] }) / Double(decided.count + 2)
      #expect(agreement.decisive == decisive)
      let interval = ConfidenceInterval.ofShare(agreement.top1 / 100, images: images.count)
      #expect(abs((agreement.top1Interval?.low ?? 0) - 100 * (interval?.low ?? 1)) < 1e-9)
    }
    #expect(figures.lowerAgreement.top1 == min(figures.int8InFloat.top1, figures.int8InInt8.top1))
    let classes = try #require(figures.classes)
    for (search, found) in [(0, classes.floatInFloat), (1, classes.int8InFloat), (2, classes.int8InInt8)] {
      let hits = usable.indices.compactMap { query -> [Bool]? in
        let hits = rankings[search][query].map { $0.image.label == usable[query].label }
        return hits.contains(true) ? hits : nil
      }
      #expect(classes.queries == hits.count && hits.count < usable.count)
      #expect(found.recallAt1 == 100 * Double(hits.count { $0[0] }) / Double(hits.count))
      let map = 100 * hits.map(Self.averagePrecision).reduce(0, +) / Double(hits.count)
      #expect(abs(found.map - map) < 1e-9)
      #expect(found.mapInterval.map { $0.low < found.map && found.map < $0.high } == true)
    }
    #expect(figures.decisions == nil)
  }

  @Test(arguments: [0.3, 0.8, -0.2, 1, -1])
  func decisionsAreThoseOfEveryPair(threshold: Double) throws {
    let images = Self.images(seed: 9)
    let decisions = try #require(try Self.figures(images, .threshold(threshold))?.decisions)
    try Self.expect(decisions, Array(images.dropLast(2)), threshold)
    #expect(decisions.threshold == threshold && decisions.givenFalseMatchRate == nil)
  }

  private static func expect(_ decisions: DecisionFigures, _ images: [Image], _ threshold: Double) throws {
    var (mixed, int8) = ([0, 0, 0], [0, 0, 0])
    var (pairs, falsePairs, matches, falseMatches) = (0, 0, 0, 0)
    func isMatch(_ a: [Float], _ b: [Float]) -> Bool {
      // Equal embeddings have a cosine of 1 or almost.
      let similarity = a == b && threshold < 1 ? 1 : cosine(a, b)
      return similarity >= threshold
    }
    for (a, first) in images.enumerated() {
      for (b, second) in images.enumerated() where a != b {
        let float = isMatch(first.float, second.float)
        let isFalse = first.label != second.label
        func add(_ other: Bool, to counts: inout [Int]) {
          counts[0] += float && !other ? 1 : 0
          counts[1] += !float && other ? 1 : 0
          counts[2] += other && isFalse ? 1 : 0
        }
        add(isMatch(first.int8, second.float), to: &mixed)
        guard a < b else { continue }
        add(isMatch(first.int8, second.int8), to: &int8)
        (pairs, falsePairs) = (pairs + 1, falsePairs + (isFalse ? 1 : 0))
        (matches, falseMatches) = (matches + (float ? 1 : 0), falseMatches + (float && isFalse ? 1 : 0))
      }
    }
    // Whether an embedding is exactly as long as its copy is a matter of rounding.
    if threshold == 1 { return #expect(decisions.int8InInt8.pairs == pairs) }
    #expect([decisions.int8InFloat.lost, decisions.int8InFloat.gained] == Array(mixed.prefix(2)))
    #expect([decisions.int8InInt8.lost, decisions.int8InInt8.gained] == Array(int8.prefix(2)))
    #expect(decisions.int8InFloat.pairs == 2 * pairs && decisions.int8InInt8.pairs == pairs)
    #expect(decisions.int8InFloat.falseMatchRate == 100 * Double(mixed[2]) / Double(2 * falsePairs))
    #expect(decisions.int8InInt8.falseMatchRate == 100 * Double(int8[2]) / Double(falsePairs))
    #expect(decisions.floatMatches == 100 * Double(matches) / Double(pairs))
    #expect(decisions.floatFalseMatchRate == 100 * Double(falseMatches) / Double(falsePairs))
    #expect(decisions.int8InInt8.flipped == 100 * Double(int8[0] + int8[1]) / Double(pairs))
  }

  @Test(arguments: [0.001, 0.01, 0.1, 0.5, 0.999, 1e-9])
  func thresholdsAreTheLowestThatKeepTheRate(rate: Double) throws {
    let images = Array(Self.images(seed: 17).dropLast(2))
    let decisions = try #require(try Self.figures(images, .falseMatchRate(rate))?.decisions)
    #expect(decisions.givenFalseMatchRate == rate)
    var similarities: [Double] = []
    for (a, first) in images.enumerated() {
      for second in images[..<a] where first.label != second.label {
        similarities.append(Self.cosine(first.float, second.float))
      }
    }
    similarities.sort(by: >)
    let allowed = similarities.indices.last { Double($0 + 1) / Double(similarities.count) <= rate }.map { $0 + 1 } ?? 0
    // Just above the first similarity that may not match.
    #expect(abs(decisions.threshold - similarities[allowed]) < 1e-6)
    let found = try #require(decisions.floatFalseMatchRate)
    #expect(found <= 100 * rate)
    // No pairs are equally similar here but those of copies, which make steps of at most four.
    #expect(found >= 100 * Double(allowed - 4) / Double(similarities.count))
  }

  /// Neither threads nor the order in which images come change a bit.
  @Test func resultsDependOnNeitherThreadsNorOrder() throws {
    let images = Self.images(seed: 3, count: 300)
    let expected = try Self.figures(images, .falseMatchRate(0.01))
    for threads in [1, 2, 5] {
      var random = SeededGenerator(state: UInt64(threads))
      #expect(try Self.figures(images.shuffled(using: &random), .falseMatchRate(0.01), threads: threads) == expected)
    }
  }

  @Test func whatCannotBeMeasuredIsNot() throws {
    let images = Self.images(seed: 1)
    #expect(try Self.figures([], nil) == nil && Self.figures(Array(images.prefix(1)), nil) == nil)
    let unlabelled = try #require(try Self.figures(images, .threshold(0.5), labelled: false))
    #expect(unlabelled.classes == nil && unlabelled.decisions?.floatFalseMatchRate == nil)
    let ofOneClass = images.filter { $0.label == 1 }
    #expect(try Self.figures(ofOneClass, nil)?.classes == nil)
    for few in [ofOneClass, images.filter { $0.label == 2 }] {
      #expect(throws: ConversionError.self) { try Self.figures(few, .falseMatchRate(0.1)) }
    }
    // Embeddings without a direction agree with nothing.
    let none = try #require(try Self.figures([images[0], images[images.count - 1]], .threshold(0.5)))
    #expect(none.images == 2 && none.int8InFloat.top1 == 0 && none.int8InInt8.top1 == 0 && none.decisions == nil)
    let same = images.dropLast(2).map { Image(name: $0.name, label: $0.label, float: $0.float, int8: $0.float) }
    let agreeing = try #require(try Self.figures(same, .threshold(0.5)))
    #expect(agreeing.lowerAgreement.top1 == 100 && agreeing.decisions?.int8InFloat.flipped == 0)
    #expect(agreeing.classes.map { $0.floatInFloat == $0.int8InInt8 && $0.floatInFloat == $0.int8InFloat } == true)
  }

  /// Images with the same float embedding are counted, whatever int8 makes of them.
  @Test func copiesAreCounted() throws {
    let images = Self.images(seed: 2)
    // Every ninth image is a copy of another, and so is the one that is zero in int8. Not a number is no copy.
    #expect(try Self.figures(images, nil)?.copies == 8)
    #expect(try Self.figures(Array(images.prefix(8)), nil)?.copies == nil)
    let equal = images.prefix(8).map { Image(name: $0.name, label: nil, float: images[0].float, int8: $0.int8) }
    #expect(try Self.figures(equal, nil)?.copies == 7)
    let zero = [Float](repeating: 0, count: 12)
    let without = images.prefix(3).map { Image(name: $0.name, label: nil, float: zero, int8: $0.int8) }
    #expect(try Self.figures(without, nil)?.copies == 2)
  }

  /// Multiples of one vector are one image to a search, however different their elements are.
  @Test(arguments: [0, 1e-5, 0.3] as [Float])
  func distancesBetweenImagesAreMeasured(spread: Float) throws {
    let directions = Self.images(seed: 4, count: 40).prefix(40).map(\.float)
    let images = directions.indices.map { index in
      let float = zip(directions[0], directions[index]).map { Float(index + 1) * ($0 + spread * $1) }
      return Image(name: "\(index)", label: nil, float: float, int8: float)
    }
    let distance = try #require(try Self.figures(images, nil)).medianDistance
    if spread > 0.1 {
      #expect((distance ?? 1) > 0.01)
    } else {
      #expect(try #require(distance) < 1e-6)
    }
    #expect(try Self.figures(Self.images(seed: 4), nil)?.medianDistance == nil)
  }

  /// Of more images than are searched, some are, and which depends on their names.
  @Test func searchesAreBounded() throws {
    let count = NeighborFigures.maxImages + 500
    let images = (0..<count).map { index in
      let angle = Float(index) / Float(count)
      return Image(name: "\(index)", label: nil, float: [1, angle], int8: [1, angle])
    }
    let figures = try #require(try Self.figures(images, nil, threads: 2))
    #expect(figures.images == NeighborFigures.maxImages)
    #expect(try Self.figures(images.reversed(), nil, threads: 2) == figures)
  }
}
