/// How multiplying one channel of an input by a positive factor changes an operator's output.
package enum ChannelRule: Hashable, Sendable {
  /// The output changes in some other way, so that the channel cannot be scaled.
  case fixed
  /// The same channel of the output gets the same factor, and nothing else changes: in each channel, the operator is
  /// homogeneous in all of the inputs that have this rule.
  case carried
  /// As `carried`, for inputs whose channels lie side by side in the output.
  case carriedSideBySide
  /// Each channel of the output is the channel of the input whose number the list has at its position, and gets the
  /// factor of that channel.
  case selected([Int])
  /// The output does not change if the constant `weight` is divided by the factor along its last axis, which is that of
  /// the input channels (of one group).
  case weighted
}
