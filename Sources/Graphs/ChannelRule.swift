/// What becomes of a positive factor on a channel of one of an operator's inputs.
package enum ChannelRule: Hashable, Sendable {
  /// The operator computes something else then.
  case fixed
  /// The same channel of the output gets the same factor, and nothing else changes: the operator is homogeneous in each
  /// channel, together with the other inputs that carry.
  case carried
  /// As `carried`, for inputs whose channels lie side by side in the output.
  case carriedSideBySide
  /// The constant `weight`, whose last axis are the input channels (of one group), can be divided by it.
  case weighted
}
