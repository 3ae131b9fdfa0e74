/// Counts the blocks of a network whose stages and blocks are numbered from 0.
enum StageDepths {
  /// The number of blocks in each stage.
  ///
  /// - Parameter hasBlock: whether there is a block of a number in a stage. The first stage without a block 0 ends the
  ///   network.
  static func count(_ hasBlock: (_ stage: Int, _ block: Int) -> Bool) -> [Int] {
    var depths: [Int] = []
    while true {
      var depth = 0
      while hasBlock(depths.count, depth) { depth += 1 }
      if depth == 0 { return depths }
      depths.append(depth)
    }
  }
}
