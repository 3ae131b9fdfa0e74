import Checkpoints
import Suggestions

/// The part of a checkpoint that is the network: dictionaries of tensors, and modules within them.
package struct StateSelection: Sendable {
  /// The indices of the dictionaries to read, among the groups of a `CheckpointOutline`.
  package let groups: [Int]
  /// The keys that lead to all of them. The names of tensors are relative to these.
  package let base: [String]
  let trunk: Trunk
  /// The key prefix of the outermost module that may be part of the network.
  let floor: String
  /// Whether the user named the network.
  let isExplicit: Bool
  /// Dictionaries with weights that are not read, and the number of tensors in each.
  let neighbours: [(name: String, tensors: Int)]
}

extension ModelImporter {
  /// Finds the network among the dictionaries of tensors in a checkpoint.
  ///
  /// - Parameter groups: the dictionaries, with the keys that lead to them and the names of their tensors.
  /// - Throws: `ImportError.unknownArchitecture` where no supported network is found; `.option` where `state` names no
  ///   network, or where there are several and `state` does not single one out.
  package func select(from groups: [CheckpointOutline.Group]) throws(ImportError) -> StateSelection {
    var candidates = groups.enumerated().flatMap { index, group in
      TrunkSearch.trunks(in: group.names).map { Candidate(group: index, path: group.path, trunk: $0) }
    }
    guard !candidates.isEmpty else {
      let names = groups.flatMap(\.names)
      throw .unknownArchitecture(sample: Array(names.prefix(4)), tensors: names.count)
    }
    var floor: [String] = []
    if let state {
      let matches = Candidate.matches(of: state, in: candidates)
      guard !matches.isEmpty else {
        throw .option("--state \(state) names no network of the file, which holds \(Candidate.list(candidates))")
      }
      candidates = matches.map(\.candidate)
      floor = matches[0].floor
    }
    guard candidates.count == 1 else {
      let options = Candidate.labels(candidates).map { "--state \($0 == "…" ? $0 : shellWord($0))" }
        .joined(separator: " or ")
      throw .option(
        "the file holds \(candidates.count) networks, \(Candidate.list(candidates)); choose one with \(options)")
    }
    return selection(candidates[0], floor: floor, groups)
  }

  private func selection(
    _ candidate: Candidate, floor: [String], _ groups: [CheckpointOutline.Group]
  ) -> StateSelection {
    let (chosen, base) = HeadSearch.groups(of: candidate, floor: floor, groups)
    let inner = candidate.path.dropFirst(base.count).map { $0 + "." }.joined()
    return StateSelection(
      groups: chosen, base: base,
      trunk: Trunk(
        architecture: candidate.trunk.architecture, prefix: inner + candidate.trunk.prefix,
        aliases: candidate.trunk.aliases),
      floor: floor.dropFirst(base.count).map { $0 + "." }.joined(), isExplicit: state != nil,
      neighbours: neighbours(of: candidate, chosen, groups))
  }

  /// The dictionaries that are not read and whose tensors may compute something, named by their keys up to the first
  /// that differs from the trunk's.
  private func neighbours(
    of candidate: Candidate, _ chosen: [Int], _ groups: [CheckpointOutline.Group]
  ) -> [(name: String, tensors: Int)] {
    var result: [(name: String, tensors: Int)] = []
    var positions: [String: Int] = [:]
    let chosen = Set(chosen)
    for (index, group) in groups.enumerated() where !chosen.contains(index) {
      guard !group.path.contains(where: { $0.contains("optim") }), group.names.contains(where: HeadSearch.isWeight)
      else { continue }
      let common = zip(group.path, candidate.path).prefix { $0 == $1 }.count
      let name = group.path.prefix(common + 1).joined(separator: ".")
      if let position = positions[name] {
        result[position].tensors += group.names.count
      } else {
        positions[name] = result.count
        result.append((name, group.names.count))
      }
    }
    return result
  }
}

/// A trunk in one of a checkpoint's dictionaries.
struct Candidate {
  /// The index of the dictionary.
  let group: Int
  /// The keys that lead to the dictionary.
  let path: [String]
  let trunk: Trunk

  /// The keys and modules that lead to the trunk.
  var parts: [String] { path + trunk.prefix.split(separator: ".").map(String.init) }

  /// The number of candidates that are told apart, by comparing each with each.
  private static let labelLimit = 32

  /// The candidates that match a path from the user, each with its own path up to the end of the match. Candidates
  /// whose whole path matches are preferred to those whose path ends with it, and these to those whose path contains
  /// it.
  ///
  /// - Parameter state: keys and modules joined by dots; "." is the top of the file.
  static func matches(of state: String, in candidates: [Candidate]) -> [(candidate: Candidate, floor: [String])] {
    let key = state == "." ? [] : state.split(separator: ".").map(String.init)
    let whole = candidates.filter {
      $0.parts == key || $0.parts.dropFirst($0.path.count).elementsEqual(key) && !key.isEmpty
    }
    if !whole.isEmpty || key.isEmpty { return whole.map { ($0, $0.parts) } }
    let ends = candidates.filter { $0.parts.count >= key.count && $0.parts.suffix(key.count).elementsEqual(key) }
    if !ends.isEmpty { return ends.map { ($0, $0.parts) } }
    return candidates.compactMap { candidate in
      let parts = candidate.parts
      guard parts.count >= key.count else { return nil }
      let start = (0...parts.count - key.count).first { parts[$0..<$0 + key.count].elementsEqual(key) }
      return start.map { (candidate, Array(parts[..<($0 + key.count)])) }
    }
  }

  /// The candidates' labels as an enumeration for messages.
  static func list(_ candidates: [Candidate]) -> String {
    listed(labels(candidates).map { $0 == "." ? "one at the top" : "'\($0)'" })
  }

  /// The shortest paths that tell the candidates apart: their keys from the first that differs, as many as are needed.
  /// Of many candidates, the whole paths of the first.
  static func labels(_ candidates: [Candidate]) -> [String] {
    let paths = candidates.prefix(labelLimit).map(\.parts)
    guard candidates.count <= labelLimit else { return paths.map { $0.joined(separator: ".") } + ["…"] }
    guard paths.count > 1 else { return paths.map { $0.isEmpty ? "." : $0.joined(separator: ".") } }
    var common = 0
    while let key = paths[0].dropFirst(common).first, paths.allSatisfy({ $0.count > common && $0[common] == key }) {
      common += 1
    }
    for length in 1...max(1, paths.map(\.count).max() ?? 1) {
      let labels = paths.map { $0.dropFirst(common).prefix(length).joined(separator: ".") }
      let found = zip(labels, candidates).map { label, candidate in
        let matches = label.isEmpty ? [] : matches(of: label, in: candidates)
        return matches.count == 1 && matches[0].candidate.parts == candidate.parts
      }
      if found.allSatisfy({ $0 }) { return labels }
    }
    return paths.map { $0.isEmpty ? "." : $0.joined(separator: ".") }
  }
}
