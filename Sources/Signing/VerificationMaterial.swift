/// What a bundle has for whoever verifies its signature. No signature covers it, and only the name of the key is used.
/// The rest must be as model-signing reads it: a bundle that another reader refuses is refused here.
struct VerificationMaterial {
  /// The key that the bundle names, by the SHA-256 of its PEM in hexadecimal digits; `nil` in bundles of earlier
  /// versions of model-signing, which have the key itself.
  let hint: String?

  /// - Throws: `SignatureProblem` where it is not that of a key, or malformed.
  init(_ material: JSONMembers) throws(SignatureProblem) {
    guard !material.has("certificate"), !material.has("x509CertificateChain") else {
      throw .unsupported("was made with a certificate; quern checks signatures that were made with a key")
    }
    try material.expectOnly(["publicKey", "tlogEntries", "timestampVerificationData"])
    let key = try material.members("publicKey")
    try key.expectOnly(["hint", "rawBytes", "keyDetails"])
    let hint = try key.optionalString("hint")
    guard hint != nil || key.has("rawBytes") else { throw .member("publicKey.hint", "is missing") }
    self.hint = hint?.isEmpty == true ? nil : hint
    if material.has("tlogEntries") {
      for entry in try material.objects("tlogEntries") { try Self.checkLogEntry(entry) }
    }
    if let timestamps = try material.optionalMembers("timestampVerificationData") { try Self.check(timestamps) }
  }

  /// Checks the form of an entry of a log (`TransparencyLogEntry` of sigstore_rekor.proto).
  private static func checkLogEntry(_ entry: JSONMembers) throws(SignatureProblem) {
    try entry.expectOnly([
      "logIndex", "logId", "kindVersion", "integratedTime", "inclusionPromise", "inclusionProof", "canonicalizedBody",
    ])
    _ = try entry.count("logIndex")
    if try entry.optionalString("integratedTime") != nil { _ = try entry.count("integratedTime") }
    _ = try entry.base64("canonicalizedBody")

    let log = try entry.members("logId")
    try log.expectOnly(["keyId"])
    _ = try log.base64("keyId")
    let kind = try entry.members("kindVersion")
    try kind.expectOnly(["kind", "version"])
    _ = (try kind.string("kind"), try kind.string("version"))
    if let promise = try entry.optionalMembers("inclusionPromise") {
      try promise.expectOnly(["signedEntryTimestamp"])
      _ = try promise.base64("signedEntryTimestamp")
    }

    let proof = try entry.members("inclusionProof")
    try proof.expectOnly(["logIndex", "rootHash", "treeSize", "hashes", "checkpoint"])
    guard try proof.count("logIndex") < proof.count("treeSize") else {
      throw .member("inclusionProof.logIndex", "is not less than treeSize")
    }
    _ = try proof.base64("rootHash")
    for hash in try proof.strings("hashes") { _ = try JSONMembers.base64(hash, "inclusionProof.hashes") }
    if let checkpoint = try proof.optionalMembers("checkpoint") {
      try checkpoint.expectOnly(["envelope"])
      _ = try checkpoint.string("envelope")
    }
  }

  /// Checks the form of timestamps (`TimestampVerificationData` of sigstore_bundle.proto).
  private static func check(_ timestamps: JSONMembers) throws(SignatureProblem) {
    try timestamps.expectOnly(["rfc3161Timestamps"])
    guard timestamps.has("rfc3161Timestamps") else { return }
    for timestamp in try timestamps.objects("rfc3161Timestamps") {
      try timestamp.expectOnly(["signedTimestamp"])
      _ = try timestamp.base64("signedTimestamp")
    }
  }
}
