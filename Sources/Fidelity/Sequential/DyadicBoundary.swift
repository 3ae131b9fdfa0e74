/// Finds the ends of confidence sequences on a grid of 2^-40: far finer than any figure is read, and coarse enough that
/// the last bit of a logarithm, in which processors differ, does not move an end.
enum DyadicBoundary {
  private static let scale = Double(1 << 40)

  /// The lower end of the values from 0 to 1 that are not excluded: the last grid point that is, or 0.
  ///
  /// - Parameters:
  ///   - inside: a value that is not excluded.
  ///   - excludes: true from 0 up to some value below `inside`, and false from there to `inside`.
  static func lower(below inside: Double, _ excludes: (Double) -> Bool) -> Double {
    var (excluded, kept) = (0.0, (inside * scale).rounded(.up))
    while kept - excluded > 1 {
      let middle = ((excluded + kept) / 2).rounded(.down)
      if excludes(middle / scale) { excluded = middle } else { kept = middle }
    }
    return excluded / scale
  }

  /// The upper end: the first grid point that is excluded, or 1.
  static func upper(above inside: Double, _ excludes: (Double) -> Bool) -> Double {
    1 - lower(below: 1 - inside) { excludes(1 - $0) }
  }
}
