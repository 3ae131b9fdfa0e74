extension GateName {
  /// The gate's name for people, such as "mean drift".
  package var title: String {
    switch self {
    case .reference: "reference"
    case .regression: "regression"
    case .meanDrift: "mean drift"
    case .maxDrift: "max drift"
    case .top1Agreement: "top-1 agreement"
    case .decisiveAgreement: "decisive agreement"
    case .top1Drop: "top-1 drop"
    case .floatTop1: "float top-1"
    case .neighborAgreement: "neighbour agreement"
    case .nonFiniteImages: "non-finite images"
    case .packageBytes: "package bytes"
    }
  }

  /// The unit that follows a value, such as " %"; empty for a figure without unit.
  package var unit: String {
    switch self {
    case .top1Agreement, .decisiveAgreement, .floatTop1, .neighborAgreement: " %"
    case .top1Drop: " pp"
    case .reference, .regression, .meanDrift, .maxDrift, .nonFiniteImages, .packageBytes: ""
    }
  }
}
