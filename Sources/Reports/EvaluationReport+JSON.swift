import Fidelity
import Retrieval

extension EvaluationReport {
  /// The report as JSON (`quern.evaluation/1`), keys sorted, ending with a newline. Values that do not exist are null.
  ///
  /// - Throws: `EncodingError` if encoding fails, which no value of a report should cause.
  package func json() throws -> String { try jsonDocument(value) }

  private var value: JSONValue {
    [
      "schema": .string(Self.schema), "set": .string(set), "data": .optional(dataName), "images": .int(images),
      "distractors": .int(distractors), "queries": .int(queries),
      "queries_without_positives": .int(queriesWithoutPositives), "models": .array(models.map(\.json)),
      "gates": .array(gates.map(\.json)), "passed": .bool(passed), "verdict": .optional(verdict?.rawValue),
      "assumptions": .array(assumptions.map { .string($0) }), "warnings": .array(warnings.map { .string($0) }),
      "notes": .array(notes.map { .string($0) }),
      "skipped_images": .array(skippedImages.map { ["name": .string($0.name), "reason": .string($0.reason)] }),
      "tool_version": .optional(toolVersion),
    ]
  }
}

extension [String: JSONValue] {
  /// The members of an estimate: the value under a name, and the interval under the name with "_interval".
  static func members(_ name: String, _ estimate: Estimate?) -> [String: JSONValue] {
    let interval: JSONValue? = estimate?.interval.map { ["low": .number($0.low), "high": .number($0.high)] }
    return [name: estimate.map { .number($0.value) } ?? .null, "\(name)_interval": interval ?? .null]
  }
}

extension EvaluatedModel {
  fileprivate var json: JSONValue {
    var members = headline?.members ?? RetrievalFigures.emptyMembers
    members["path"] = .string(path)
    members["precision"] = .string(precision)
    members["dimension"] = .int(dimension)
    members["input"] = .optional(input)
    members["labelled_images"] = .int(accuracy?.images ?? 0)
    members.merge(.members("top1", accuracy?.top1)) { $1 }
    members.merge(.members("top5", accuracy?.top5)) { $1 }
    let graded = figures.filter { $0.protocol != .all }
    members["protocols"] = .object(
      Dictionary(uniqueKeysWithValues: graded.map { ($0.protocol.rawValue, .object($0.members)) }))
    members["comparison"] = comparison?.json ?? .null
    return .object(members)
  }
}

extension RetrievalFigures {
  /// The figures by their names.
  private static var names: [(String, (RetrievalFigures) -> Estimate)] {
    [("map", \.map), ("map_standard", \.standardMap), ("four_recall_at_4", \.fourRecall)]
      + depths.enumerated().map { index, depth in ("recall_at_\(depth)", { $0.recall[index] }) }
      + depths.enumerated().map { index, depth in ("mean_precision_at_\(depth)", { $0.precision[index] }) }
  }

  fileprivate var members: [String: JSONValue] {
    Self.names.reduce(into: ["measured_queries": .int(queries)]) { members, name in
      members.merge(.members(name.0, name.1(self))) { $1 }
    }
  }

  fileprivate static var emptyMembers: [String: JSONValue] {
    names.reduce(into: ["measured_queries": 0]) { members, name in members.merge(.members(name.0, nil)) { $1 } }
  }
}

extension ModelComparison {
  fileprivate var json: JSONValue {
    var members: [String: JSONValue] = [
      "worse": .int(worse), "better": .int(better), "unchanged": .int(unchanged),
      "changes": .array(
        changes.map {
          ["query": .string($0.query), "before": .number($0.before), "after": .number($0.after)]
        }),
    ]
    members.merge(.members("map_drop", mapDrop)) { $1 }
    members.merge(.members("top1_drop", top1Drop)) { $1 }
    return .object(members)
  }
}

extension EvaluationGate {
  fileprivate var json: JSONValue {
    var members: [String: JSONValue] = .members("value", value)
    members["name"] = .string(name.rawValue)
    members["model"] = .string(model)
    members["limit"] = .number(limit)
    members["passed"] = .bool(passed)
    members["verdict"] = .string(verdict.rawValue)
    members["doubts"] = .array(doubts.map { .string($0) })
    return .object(members)
  }
}
