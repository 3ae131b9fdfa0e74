import Fidelity

extension FidelityReport {
  /// How the package was made: an in-toto Statement of version 1 with SLSA provenance of version 1
  /// (https://slsa.dev/spec/v1.0/provenance), as formats/report.md describes it. The same conversion gives the same
  /// bytes, unless a time is to be stated.
  ///
  /// - Throws: `EncodingError` for a figure that JSON cannot represent.
  func provenance() throws -> String {
    try jsonDocument(
      [
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [["name": .string(packageName), "digest": ["sha256": .optional(package?.sha256)]]],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": [
          "buildDefinition": .compact([
            "buildType": "urn:quern:convert:1",
            "externalParameters": [
              "settings": .object(settings),
              "gates": .object(
                Dictionary(gates.map { ($0.name.rawValue, JSONValue.number($0.limit)) }) { first, _ in first }),
            ],
            "resolvedDependencies": .array(dependencies),
          ]),
          "runDetails": .compact([
            "builder": ["id": "urn:quern:convert", "version": .compact(["quern": .optional(toolVersion)])],
            "metadata": statedTime.map { ["startedOn": .string($0), "finishedOn": .string($0)] } ?? .null,
            "byproducts": [
              .compact([
                "name": "content hash", "digest": contentHash.map { ["quernContentHash": .string($0)] } ?? .null,
              ])
            ],
          ]),
        ],
      ] as JSONValue)
  }

  private var dependencies: [JSONValue] {
    let checkpoint: JSONValue = [
      "name": .string(reference.name ?? "checkpoint"), "digest": ["sha256": .string(reference.sha256)],
      "annotations": [
        "role": "checkpoint", "format": .string(reference.format), "architecture": .string(reference.architecture),
      ],
    ]
    let images = imageSets.map { role, set -> JSONValue in
      // Not the hash of a file, so not under its name.
      [
        "name": .string(set.name), "digest": ["quernImageSet": .string(set.sha256)],
        "annotations": ["role": .string(role), "images": .int(set.images)],
      ]
    }
    let files = inputFiles.map { file -> JSONValue in
      [
        "name": .string(file.name), "digest": ["sha256": .string(file.sha256)],
        "annotations": ["role": .string(file.role)],
      ]
    }
    return [checkpoint] + images + files
  }
}
