import Fidelity
import Retrieval

extension TuningReport {
  /// The report as JSON (`quern.tune/1`), keys sorted, ending with a newline. Values that do not exist are null.
  ///
  /// - Throws: `EncodingError` if encoding fails, which no value of a report should cause.
  package func json() throws -> String { try jsonDocument(value) }

  private var value: JSONValue {
    [
      "schema": .string(Self.schema), "checkpoint": .string(checkpoint),
      "images": ["name": .string(images.name), "images": .int(images.images), "sha256": .string(images.sha256)],
      "size": .int(size), "input": .string(input), "measured_images": .int(measured), "copies": .int(copies),
      "augmentation": .string(recipe), "labelled_images": .int(labelled),
      "network_exponent": .number(networkExponent), "criterion": .string(criterion.rawValue),
      "exponent": .number(exponent), "option": .string("--size \(option)"),
      "curve": .array(points.map(\.json)), "by_copies": byCopies.json, "by_classes": byClasses?.json ?? .null,
      "assumptions": .array(assumptions.map { .string($0) }), "warnings": .array(warnings.map { .string($0) }),
      "notes": .array(notes.map { .string($0) }), "tool_version": .optional(toolVersion),
    ]
  }
}

extension TuningReport.Point {
  fileprivate var json: JSONValue {
    var members: [String: JSONValue] = ["exponent": .number(exponent)]
    for (name, estimate) in [("map", map), ("cross_entropy", crossEntropy), ("top1", top1)] {
      members.merge(.members(name, estimate)) { $1 }
    }
    return .object(members)
  }
}

extension ExponentChoice {
  fileprivate var json: JSONValue {
    var members: [String: JSONValue] = [
      "exponent": .number(exponent), "fold_exponents": .array(foldExponents.map { .number($0) }),
    ]
    members.merge(.members("held_out", heldOut)) { $1 }
    members.merge(.members("gain", gain)) { $1 }
    return .object(members)
  }
}
