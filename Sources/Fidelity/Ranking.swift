/// The classes of one image in descending order of logits. Of equal logits, the class with the lower index comes first.
struct Ranking {
  let logits: [Float]

  /// The class ranked first. Requires at least one class.
  var first: Int {
    logits.indices.dropFirst().reduce(0) { best, index in logits[index] > logits[best] ? index : best }
  }

  /// Whether `label` is one of the first `count` classes.
  func holds(_ label: Int, inFirst count: Int) -> Bool {
    let logit = logits[label]
    let ahead = logits.indices.count { index in logits[index] > logit || (logits[index] == logit && index < label) }
    return ahead < count
  }
}
