import Graphs
import Tensors

/// The buffers in which a network that normalises its own input stores the mean and standard deviation of pixels.
struct PixelBuffers {
  /// The name of the tensor with the means.
  let mean: String
  /// The name of the tensor with the standard deviations.
  let std: String
  /// The normalisation that they describe, for pixels in 0…1; `nil` where the numbers are not plausible statistics.
  let preprocessing: Preprocessing?

  /// Takes them from the modules around the trunk; `nil` unless both exist and have a value for each of R, G and B.
  init?(from state: inout StateDictionary, _ scopes: Scopes) {
    var names: [String: String] = [:]
    for name in state.untaken {
      guard let parts = scopes.innermost(of: name)?.parts, parts.count <= 3, let last = parts.last,
        state.shape(name)?.elementCount == 3
      else { continue }
      for suffix in ["mean", "std"] where last == suffix || last.hasSuffix("_\(suffix)") && last != "running_mean" {
        if names[suffix] == nil { names[suffix] = name }
      }
    }
    guard let mean = names["mean"], let std = names["std"], let means = state.takeNumbers(mean, count: 3),
      let stds = state.takeNumbers(std, count: 3)
    else { return nil }
    (self.mean, self.std) = (mean, std)
    // Statistics of pixels in 0…255 are those of pixels in 0…1 times 255.
    let scale = (stds.max() ?? 0) > 2 || (means.max() ?? 0) > 2 ? 255.0 : 1
    let values = (means + stds).map { Float($0 / scale) }
    let isPlausible =
      values.allSatisfy(\.isFinite) && values[..<3].allSatisfy { 0...1 ~= $0 } && values[3...].allSatisfy { $0 > 0 }
    preprocessing = isPlausible ? Preprocessing(mean: Array(values[..<3]), std: Array(values[3...])) : nil
  }
}

extension Preprocessing {
  /// Whether the values agree to within 1e-3, which allows for rounding in other sources.
  func isClose(to other: Preprocessing) -> Bool {
    zip(mean + std, other.mean + other.std).allSatisfy { abs($0 - $1) < 1e-3 }
  }
}
