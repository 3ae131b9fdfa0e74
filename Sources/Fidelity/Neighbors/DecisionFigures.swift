/// How it is decided whether two images match: their similarity, the cosine of their embeddings, is at least a
/// threshold.
package enum DecisionRule: Hashable, Sendable {
  /// The threshold itself, from -1 to 1.
  case threshold(Double)
  /// The lowest threshold at which at most this share of the pairs of different classes match in the float network;
  /// above 0 and below 1.
  case falseMatchRate(Double)
}

/// Which pairs of images match in the float network and not in the int8 network, or the reverse.
///
/// Pairs share images, so that they are not independent, and there are no confidence intervals.
package struct DecisionFigures: Hashable, Sendable, Codable {
  /// The pairs of one search, compared with the float network's.
  package struct Changes: Hashable, Sendable, Codable {
    /// The number of pairs compared.
    package let pairs: Int
    /// The number of pairs that match only in the float network.
    package let lost: Int
    /// The number of pairs that match only in this search.
    package let gained: Int
    /// The share of the pairs of different classes that match in this search, in percent; nil where the images are not
    /// of several classes.
    package let falseMatchRate: Double?

    enum CodingKeys: String, CodingKey {
      case pairs, lost, gained, flipped
      case falseMatchRate = "false_match_rate"
    }

    package init(pairs: Int, lost: Int, gained: Int, falseMatchRate: Double?) {
      (self.pairs, self.lost, self.gained, self.falseMatchRate) = (pairs, lost, gained, falseMatchRate)
    }

    /// The share of pairs that are on the other side of the threshold, in percent.
    package var flipped: Double { pairs == 0 ? 0 : 100 * Double(lost + gained) / Double(pairs) }
  }

  /// The lowest similarity of images that match.
  package let threshold: Double
  /// The rate that the threshold was chosen for, as a share from 0 to 1; nil where the threshold was given.
  package let givenFalseMatchRate: Double?
  /// The share of pairs that match in the float network, in percent.
  package let floatMatches: Double
  /// The share of the pairs of different classes that match in the float network, in percent; nil where the images are
  /// not of several classes.
  package let floatFalseMatchRate: Double?
  /// Ordered pairs of an int8 query and an image of the float gallery.
  package let int8InFloat: Changes
  /// Unordered pairs of int8 embeddings.
  package let int8InInt8: Changes

  enum CodingKeys: String, CodingKey {
    case threshold
    case givenFalseMatchRate = "given_false_match_rate"
    case floatMatches = "float_matches"
    case floatFalseMatchRate = "float_false_match_rate"
    case int8InFloat = "int8_in_float"
    case int8InInt8 = "int8_in_int8"
  }

  package init(
    threshold: Double, givenFalseMatchRate: Double?, floatMatches: Double, floatFalseMatchRate: Double?,
    int8InFloat: Changes, int8InInt8: Changes
  ) {
    self.threshold = threshold
    self.givenFalseMatchRate = givenFalseMatchRate
    self.floatMatches = floatMatches
    self.floatFalseMatchRate = floatFalseMatchRate
    self.int8InFloat = int8InFloat
    self.int8InInt8 = int8InInt8
  }
}
