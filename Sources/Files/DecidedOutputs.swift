import Threads

/// The places of outputs as they were decided before any work was done, by their paths. An output is created where it
/// is written, in several modules and often at the end of the work, and must not follow its path to another file then.
enum DecidedOutputs {
  private static let places = Mutex<[ExactName: OutputPlace]>([:])

  /// Decides where the output of a path goes, in place of an earlier decision.
  ///
  /// - Throws: as `OutputPlace.init`.
  static func decide(_ path: String) throws(FileError) {
    let place = try OutputPlace(path)
    places.withLock { $0[ExactName(path)] = place }
  }

  /// The place that was decided; without a decision, the one that the path leads to now.
  ///
  /// - Throws: as `OutputPlace.init`.
  static func place(of path: String) throws(FileError) -> OutputPlace {
    if let place = places.withLock({ $0[ExactName(path)] }) { return place }
    return try OutputPlace(path)
  }

  /// Takes note that the output has been written.
  static func forget(_ path: String) { places.withLock { _ = $0.removeValue(forKey: ExactName(path)) } }
}
