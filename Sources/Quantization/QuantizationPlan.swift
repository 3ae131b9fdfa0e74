import Calibration
import Graphs
import Tensors

/// Every decision of a quantisation as a value that can be printed, stored and compared, before anything is done.
public struct QuantizationPlan: Sendable {
  /// How one activation is held.
  public struct Activation: Sendable, Hashable {
    /// The node that makes it; "input" for the graph's input.
    public let name: String
    public let format: ValueFormat
    /// Smallest and largest value seen in calibration, where it was observed.
    public let observed: ClosedRange<Float>?
    /// Why it is held this way.
    public let reason: String

    /// The same with remainders, where it is uint8.
    ///
    /// - Parameters:
    ///   - rangeMethod: for another range, of the given histogram: one with remainders need not be narrow.
    func withRemainder(rangeMethod: RangeMethod? = nil, _ histogram: ActivationHistogram? = nil) -> Activation {
      guard case .uint8(let parameters) = format else { return self }
      guard let rangeMethod, let histogram else {
        return Activation(
          name: name, format: .uint8WithRemainder(parameters), observed: observed,
          reason: "\(reason); with remainders for what adds it")
      }
      return Activation(
        name: name, format: .uint8WithRemainder(histogram.parameters(rangeMethod)), observed: observed,
        reason: "\(rangeMethod.name), with remainders: it is only added")
    }
  }

  /// How a node computes.
  public enum Arithmetic: String, Sendable, Hashable {
    case int8
    case int8Weights = "float, int8 weights"
    case float
  }

  public var activations: [ValueID: Activation]
  /// By node name.
  public var arithmetic: [String: Arithmetic]
  /// Of weights, where they are coarser than the largest weights ask for.
  public var weightSteps = WeightSteps()
  /// The range method used, for the record.
  public var rangeMethod: RangeMethod
}
