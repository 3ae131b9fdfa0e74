/// The classes of one image by falling logit. Of equal logits the class with the lower index is ranked first.
struct Ranking {
  let logits: [Float]

  /// The class ranked first. There is at least one class.
  var first: Int {
    logits.indices.dropFirst().reduce(0) { best, index in logits[index] > logits[best] ? index : best }
  }

  /// Whether `label` is one of the first `count` classes.
  func holds(_ label: Int, inFirst count: Int) -> Bool {
    let own = logits[label]
    let ahead = logits.indices.count { index in logits[index] > own || (logits[index] == own && index < label) }
    return ahead < count
  }
}
