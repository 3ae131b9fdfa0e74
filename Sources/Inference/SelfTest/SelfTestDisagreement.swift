/// A value whose bits a package does not state, and which different kernels of one machine compute differently.
package struct SelfTestDisagreement: Hashable, Sendable {
  /// The name of the node that computes the value.
  package let node: String
  /// The name of the node's operator.
  package let op: String
  /// The names of the tiers that agree with each other, in one list for each result, in the order of the tiers.
  package let groups: [[String]]

  /// The disagreements of tiers that were tested with the same package, in order of execution.
  ///
  /// - Parameter results: the name of each tier, and its result.
  package static func among(_ results: [(tier: String, result: SelfTestResult)]) -> [SelfTestDisagreement] {
    guard let first = results.first?.result.unstated else { return [] }
    return first.indices.compactMap { index in
      var groups: [(hash: UInt64, tiers: [String])] = []
      for (tier, result) in results where result.unstated.indices.contains(index) {
        let hash = result.unstated[index].hash
        if let group = groups.firstIndex(where: { $0.hash == hash }) {
          groups[group].tiers.append(tier)
        } else {
          groups.append((hash, [tier]))
        }
      }
      guard groups.count > 1 else { return nil }
      return SelfTestDisagreement(node: first[index].node, op: first[index].op, groups: groups.map(\.tiers))
    }
  }
}
