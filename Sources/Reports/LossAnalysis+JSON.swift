import Fidelity

extension LossAnalysis {
  /// The analysis as JSON (`quern.analysis/1`), keys sorted, ending with a newline. Values that do not exist are null.
  ///
  /// - Throws: `EncodingError` if encoding fails, which no value of an analysis should cause.
  package func json() throws -> String { try jsonDocument(value) }

  private var value: JSONValue {
    let histogram = driftHistogram
    return [
      "schema": .string(Self.schema),
      "reference": [
        "name": .optional(reference.name), "sha256": .string(reference.sha256), "format": .string(reference.format),
        "architecture": .string(reference.architecture),
      ],
      "tool_version": .optional(toolVersion), "assumptions": .array(assumptions.map { .string($0) }),
      "calibration_set": calibrationSet?.json ?? .null, "verification_set": verificationSet?.json ?? .null,
      "settings": .object(settings), "images": .int(figures.images), "layer_images": .int(layerImages),
      "isolated_images": .int(isolatedImages), "warnings": .array(warnings.map { .string($0) }),
      "drift": [
        "mean": .optional(figures.drift.mean), "p50": .optional(figures.drift.p50), "p95": .optional(figures.drift.p95),
        "p99": .optional(figures.drift.p99), "max": .optional(figures.drift.max),
        "histogram": ["step": .number(histogram.step), "counts": .array(histogram.counts.map { .int($0) })],
      ],
      "agreement": ["top1": .optional(figures.agreement.top1), "top5": .optional(figures.agreement.top5)],
      "worst_images": .array(
        figures.worstImages.map { ["name": .string($0.name), "drift": .number($0.drift)] }),
      "confidence": .array(confidence.map(\.json)), "calibration": calibration.json,
      "layers": .array(layers.map(\.json)), "tensors": .array(tensors.map(\.json)),
      "bytes": .int(tensorBytes.raw), "stored_bytes": .int(tensorBytes.stored),
    ]
  }
}

extension ImageSet {
  fileprivate var json: JSONValue { ["name": .string(name), "images": .int(images), "sha256": .string(sha256)] }
}

extension VerificationSet {
  fileprivate var json: JSONValue {
    guard case .object(var members) = set.json else { return .null }
    members["set"] = .string(origin.rawValue)
    members["overlap"] = .optional(overlap)
    return .object(members)
  }
}

extension GateResult {
  fileprivate var json: JSONValue {
    [
      "name": .string(name.rawValue), "value": .optional(value), "low": .optional(interval?.low),
      "high": .optional(interval?.high), "limit": .number(limit), "verdict": .string(verdict.rawValue),
      "needed_images": .optional(neededImages),
    ]
  }
}

extension CalibrationQuality {
  fileprivate var json: JSONValue {
    [
      "images": .int(images), "verified_on": .string(verifiedOn), "halves": halves?.json ?? .null,
      "worst_layer": .optional(worstLayer), "steps": .array(steps.map(\.json)),
      "overlap": .array(overlap.map { .string($0) }),
    ]
  }
}

extension CalibrationQuality.Step {
  fileprivate var json: JSONValue {
    ["images": .int(images), "median_difference": .number(median), "worst_difference": .number(worst)]
  }
}

extension LayerLoss {
  fileprivate var json: JSONValue {
    let noises = [
      ("cumulative", cumulativeNoise), ("own", layerNoise), ("activation_rounding", roundingNoise),
      ("activation_clipping", clippingNoise), ("weight_rounding", weightNoise),
    ]
    func members(_ value: (Double?) -> Double?) -> JSONValue {
      .object(Dictionary(uniqueKeysWithValues: noises.map { ($0.0, .optional(value($0.1))) }))
    }
    return [
      "name": .string(name), "kind": .string(kind), "arithmetic": .string(arithmetic), "format": .string(format),
      "reason": .string(reason), "scale": .optional(scale), "zero_point": .optional(zeroPoint),
      "range": .optional(range), "observed": .optional(observed), "bytes": .int(bytes),
      "inputs": .array(inputs.map { .string($0) }),
      "noise": members { $0 }, "sqnr_db": members(LayerLoss.decibels),
      "saturated_share": .optional(saturatedShare), "range_difference": .optional(rangeDifference),
      "isolated_drift": [
        "activation": .optional(activationDrift), "activation_rounding": .optional(roundingDrift),
        "activation_clipping": .optional(clippingDrift), "weights": .optional(weightDrift),
      ],
      "weight_levels": levels?.json ?? .null,
    ]
  }
}

extension LevelHistogram {
  fileprivate var json: JSONValue {
    [
      "first": -128, "step": .int(Self.step), "counts": .array(counts.map { .int($0) }),
      "entropy_bits": .number(entropy),
    ]
  }
}

extension StoredTensor {
  fileprivate var json: JSONValue {
    [
      "layer": .string(layer), "role": .string(role), "type": .string(elementType), "shape": .string(shape),
      "bytes": .int(bytes), "stored_bytes": .int(storedBytes), "copies": .int(copies),
    ]
  }
}
