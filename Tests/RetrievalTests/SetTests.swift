import Foundation
import Retrieval
import Testing

/// Layouts of sets, from names alone.
@Suite struct SetTests {
  private static func list(_ names: [String]) throws -> ListedImages { try ListedImages(names: names, source: "set") }

  private static func task(
    _ set: EvaluationSet, _ names: [String], truth: (name: String, text: String)? = nil, labels: String? = nil
  ) throws -> RetrievalTask {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("quern-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    var files = EvaluationSet.Files()
    if let truth {
      let url = folder.appendingPathComponent(truth.name)
      try Data(truth.text.utf8).write(to: url)
      files.groundTruth = url.path
    }
    if let labels {
      let url = folder.appendingPathComponent("labels.txt")
      try Data(labels.utf8).write(to: url)
      files.labels = url.path
    }
    return try set.task(try list(names), files: files)
  }

  private static func described(_ task: RetrievalTask) -> [String] {
    task.queries.map { query in
      func names(_ indices: [Int]) -> String { indices.map { task.images[$0].name }.joined(separator: " ") }
      return "\(query.name): \(names(query.easy)) | \(names(query.hard)) | \(names(query.ignored))"
    }
  }

  @Test func foldersMakeClassesThePositives() throws {
    let task = try Self.task(.folders, ["b/2.jpg", "a/1.jpg", "b/1.jpg", "a/deep/2.jpg", "c/1.jpg"])
    #expect(
      Self.described(task) == [
        "a/1.jpg: a/deep/2.jpg |  | a/1.jpg", "a/deep/2.jpg: a/1.jpg |  | a/deep/2.jpg",
        "b/1.jpg: b/2.jpg |  | b/1.jpg",
        "b/2.jpg: b/1.jpg |  | b/2.jpg", "c/1.jpg:  |  | c/1.jpg",
      ])
    #expect(task.labels?.classNames == ["a", "b", "c"])
    #expect(throws: RetrievalError.self) { try Self.task(.folders, ["a/1.jpg", "1.jpg"]) }
  }

  /// Texts that Unicode considers equal would share a class and a place in ground truth.
  @Test func namesThatLookTheSameAreRefused() throws {
    let names = ["\u{E9}/1.jpg", "f/1.jpg", "e\u{301}/2.jpg"]
    #expect(try Self.task(.folders, Array(names.prefix(2))).queries.count == 2)
    #expect(throws: RetrievalError.self) { try Self.task(.folders, names) }
  }

  /// Copies would take memory with the square of a class.
  @Test func queriesOfAGroupShareItsList() throws {
    func shared(_ task: RetrievalTask) -> Int {
      Set(task.queries.map { query in query.listed.withUnsafeBufferPointer { UInt(bitPattern: $0.baseAddress) } }).count
    }
    let names = (0..<40).map { "\($0 % 2 == 0 ? "a" : "b")/\($0).jpg" }
    var task = try Self.task(.folders, names)
    #expect(shared(task) == 2)
    // The images of both groups that are left, and new indices.
    task.leaveOut([0, 3, 39])
    #expect(task.queries.count == 37 && shared(task) == 2)
    for (index, query) in task.queries.enumerated() {
      let others = task.images.indices.filter {
        $0 != index && task.images[$0].name.first == query.name.first
      }
      #expect(query.easy == others && query.targets == others && query.ignored == [index])
      #expect(query.easyCount == others.count && query.targetCount == others.count)
      #expect(query.source == .gallery(index) && task.images[index].name == query.name)
    }
    let groups = names.map { "\"\($0)\"" }.joined(separator: ",")
    let one = try Self.task(.groups, names, truth: ("groups.json", "[[\(groups)]]"))
    #expect(one.queries.count == 40 && shared(one) == 1)
  }

  @Test func oneClassIsNoted() throws {
    #expect(try Self.task(.folders, ["a/1.jpg", "a/2.jpg"]).notes.count == 1)
    #expect(try Self.task(.folders, ["a/1.jpg", "b/2.jpg"]).notes.isEmpty)
  }

  /// A pair can be given twice, but not as two kinds.
  @Test func pairsDoNotContradictEachOther() throws {
    let images = ["a.jpg", "\u{301}.jpg", "q.jpg"]
    func task(_ second: String) throws -> RetrievalTask {
      try Self.task(
        .pairs, images, truth: ("pairs.csv", "query,positive,kind\nq.jpg,\u{301}.jpg,positive\n\(second)\n"))
    }
    #expect(Self.described(try task("q.jpg,\u{301}.jpg,positive")) == ["q.jpg: \u{301}.jpg |  | q.jpg"])
    for kind in ["hard", "ignored"] {
      #expect(throws: RetrievalError.self) { try task("q.jpg,\u{301}.jpg,\(kind)") }
    }
  }

  /// A box of five values, one of which is not a number, is no box of four.
  @Test(arguments: ["[1,2,30,40]", "[1,2,\"x\",30,40]", "[1,2,30]", "[1,2,30,40,50]"])
  func boxesHaveFourNumbers(box: String) throws {
    let text = "{\"imlist\":[\"a\",\"b\"],\"qimlist\":[\"a\"],\"gnd\":[{\"easy\":[1],\"bbx\":\(box)}]}"
    let task = { try Self.task(.revisited, ["a.jpg", "b.jpg"], truth: ("gnd.json", text)) }
    if box == "[1,2,30,40]" {
      #expect(try task().queries.count == 1)
    } else {
      #expect(throws: RetrievalError.self) { try task() }
    }
  }

  /// Flags are two scalars each. Where a flag in a run begins depends on all scalars before it.
  private let flags = String(repeating: "\u{1F1EB}\u{1F1F7}", count: 14) + "\u{1F1EB}"

  @Test func stemsMayBeFlags() {
    for (name, stem) in [
      ("a/\(flags).jpg", flags), ("a.b/\(flags)", flags), ("a/1.\(flags)", "1"), ("\(flags)/.jpg", ""), ("/", ""),
    ] {
      #expect(TaskImage(name: name, path: nil).stem == stem)
    }
  }

  /// Of a query's images, none is lost, whatever the order of lines.
  @Test func linesOfPairsMayAlternate() throws {
    let lines = ["a,b,positive", "b,a,hard", "a,c,ignored", "b,c,positive", "a,d,hard", "a,b,positive", "a,e,positive"]
    let task = try Self.task(
      .pairs, ["a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.jpg"],
      truth: ("pairs.csv", "query,positive,kind\n" + lines.joined(separator: "\n")))
    #expect(Self.described(task) == ["a.jpg: b.jpg e.jpg | d.jpg | a.jpg c.jpg", "b.jpg: c.jpg | a.jpg | b.jpg"])
  }

  @Test func holidaysQueriesAreTheFirstOfAGroup() throws {
    let task = try Self.task(
      .holidays, ["jpg/100000.jpg", "jpg/100002.jpg", "jpg/100001.jpg", "jpg/100101.jpg", "jpg/100100.jpg"])
    #expect(
      Self.described(task) == [
        "jpg/100000.jpg: jpg/100001.jpg jpg/100002.jpg |  | jpg/100000.jpg",
        "jpg/100100.jpg: jpg/100101.jpg |  | jpg/100100.jpg",
      ])
    for names in [["jpg/100000.jpg", "jpg/photo.jpg"], ["a/100000.jpg", "b/100000.jpg"], ["-100000.jpg"]] {
      #expect(throws: RetrievalError.self) { try Self.task(.holidays, names) }
    }
  }

  @Test func ukbenchCountsTheQueryItself() throws {
    let names = (0..<8).map { "ukbench0000\($0).jpg" }
    let task = try Self.task(.ukbench, names)
    #expect(task.queries.count == 8)
    #expect(Self.described(task)[5] == "ukbench00005.jpg: \(names[4...].joined(separator: " ")) |  | ")
    #expect(throws: RetrievalError.self) { try Self.task(.ukbench, Array(names.dropLast())) }
  }

  @Test(arguments: [
    ["original/200000.jpg", "original/200100.jpg", "strong/200001.jpg", "strong/200103.jpg", "crops/50/200000.jpg"],
    ["200000.jpg", "200100.jpg", "strong/200001.jpg", "strong/200103.jpg", "jpegqual/3/200100.jpg"],
    ["200000.jpg", "200001.jpg", "200100.jpg", "200103.jpg"],
  ])
  func copydaysSearchesCopiesInOriginals(names: [String]) throws {
    let task = try Self.task(.copydays, names)
    #expect(task.images.map { String($0.stem) } == ["200000", "200100"])
    #expect(
      task.queries.map {
        [$0.name.suffix(10).description] + $0.easy.map { task.images[$0].name.suffix(10).description }
      }
        == [["200001.jpg", "200000.jpg"], ["200103.jpg", "200100.jpg"]])
    #expect(task.embeddedImages.count == 4)
  }

  @Test(arguments: [["200001.jpg"], ["200000.jpg"], ["200000.jpg", "strong/200101.jpg"]])
  func copydaysNeedsOriginalsAndCopies(names: [String]) {
    #expect(throws: RetrievalError.self) { try Self.task(.copydays, names) }
  }

  /// The gallery is in the order of names, whatever that of the file.
  @Test func revisitedGroundTruthIsGraded() throws {
    let text = """
      {"imlist": ["c", "a", "b"], "qimlist": ["q"],
       "gnd": [{"easy": [0], "hard": [1], "junk": [2], "bbx": [1.5, 2, 30, 40]}]}
      """
    let names = ["jpg/a.jpg", "jpg/b.jpg", "jpg/c.jpg", "jpg/q.jpg"]
    let task = try Self.task(.revisited, names, truth: ("gnd_roxford5k.json", text))
    #expect(Self.described(task) == ["jpg/q.jpg: jpg/c.jpg | jpg/a.jpg | jpg/b.jpg"])
    #expect(task.protocols == [.medium, .easy, .hard] && task.images.count == 3)
    guard case .image(let image) = task.queries[0].source else { return #expect(Bool(false), "not an image") }
    #expect(image.box == ImageBox(left: 1.5, top: 2, right: 30, bottom: 40))
  }

  /// Queries count as independent of each other, and would find themselves first.
  @Test(arguments: [
    (#""qimlist": ["q", "a", "q"], "gnd": [{"easy": [1]}, {"easy": [1]}, {"easy": [1]}]"#, "'qimlist' has q.jpg twice"),
    (#""qimlist": ["a"], "gnd": [{"easy": [1, 0]}]"#, "its own image, a.jpg"),
    (#""qimlist": ["b"], "gnd": [{"easy": [0], "hard": [1], "bbx": [0, 0, 5, 5]}]"#, "its own image, b.jpg"),
    (#""qimlist": ["a", "b"], "gnd": [{"easy": [1], "junk": [0]}, {"easy": [0], "junk": [1]}]"#, ""),
  ])
  func revisitedQueriesAreIndependent(truth: String, problem: String) throws {
    func task() throws -> RetrievalTask {
      try Self.task(
        .revisited, ["a.jpg", "b.jpg", "q.jpg"], truth: ("gnd.json", "{\"imlist\": [\"a\", \"b\"], \(truth)}"))
    }
    if problem.isEmpty {
      #expect(try task().queries.count == 2)
    } else {
      #expect {
        try task()
      } throws: { "\($0)".contains(problem) }
    }
  }

  /// A mark after the slash is part of the name of a file.
  @Test func classesAreBeforeTheFirstSlash() throws {
    let task = try Self.task(.folders, ["a/\u{301}1.jpg", "a/2.jpg", "b/1.jpg"])
    #expect(task.labels?.classNames == ["a", "b"] && task.queries.count == 3)
  }

  @Test(arguments: [
    #"{"imlist": ["a"], "qimlist": ["q"], "gnd": []}"#, #"{"imlist": ["a"], "qimlist": ["q"]}"#,
    #"{"imlist": ["x"], "qimlist": ["q"], "gnd": [{}]}"#,
    #"{"imlist": ["a"], "qimlist": ["q"], "gnd": [{"easy": [1]}]}"#,
    #"{"imlist": ["a"], "qimlist": ["q"], "gnd": [{"easy": [-1]}]}"#,
    #"{"imlist": ["a"], "qimlist": ["q"], "gnd": [{"bbx": [0, 0, 0, 5]}]}"#, #"[1]"#, #"{"imlist": ["a", "a"],"#,
    #"{"imlist": ["a", "a"], "qimlist": ["q"], "gnd": [{}]}"#,
    #"{"imlist": ["a"], "qimlist": ["q"], "gnd": [{"easy": [0.5]}]}"#,
  ])
  func revisitedRefusesOtherForms(text: String) {
    #expect(throws: (any Error).self) {
      try Self.task(.revisited, ["a.jpg", "q.jpg"], truth: ("gnd.json", text))
    }
  }

  @Test func pairsMayBeHardOrIgnored() throws {
    let text = "query,positive,kind\r\nq.jpg,a.jpg,positive\r\nq.jpg,\"b,1.jpg\",hard\r\nq.jpg,c.jpg,ignored\r\n"
    let task = try Self.task(.pairs, ["a.jpg", "b,1.jpg", "c.jpg", "q.jpg"], truth: ("pairs.csv", text))
    #expect(Self.described(task) == ["q.jpg: a.jpg | b,1.jpg | c.jpg q.jpg"])
    #expect(task.isGraded)
    for text in [
      "a,b\nq.jpg,a.jpg", "query,positive\nq.jpg,x.jpg", "query,positive\nq.jpg", "query,positive\n\"q.jpg,a.jpg",
    ] {
      #expect(throws: RetrievalError.self) { try Self.task(.pairs, ["a.jpg", "q.jpg"], truth: ("pairs.csv", text)) }
    }
  }

  @Test(arguments: [
    #"{"groups": {"x": ["a.jpg", "b.jpg"]}}"#, #"{"x": ["a.jpg", "b.jpg"]}"#, #"[["a.jpg", "b.jpg"]]"#,
    #"{"groups": [["a.jpg", "b"]]}"#, "\u{FEFF}[[\"a.jpg\", \"b.jpg\"]]",
  ])
  func groupsInAnyForm(text: String) throws {
    let task = try Self.task(.groups, ["a.jpg", "b.jpg", "c.jpg"], truth: ("groups.json", text))
    #expect(Self.described(task) == ["a.jpg: b.jpg |  | a.jpg", "b.jpg: a.jpg |  | b.jpg"])
  }

  /// Every list of a set is read whatever its line ends.
  @Test(arguments: ["\n", "\r\n", "\r"], ["", "\u{FEFF}"])
  func listsWithAnyLineEnds(end: String, start: String) throws {
    func text(_ lines: [String]) -> String { start + lines.joined(separator: end) + end }
    let pairs = try Self.task(
      .pairs, ["a.jpg", "q.jpg"], truth: ("pairs.csv", text(["query,positive,kind", "q.jpg,a.jpg,hard"])))
    #expect(Self.described(pairs) == ["q.jpg:  | a.jpg | q.jpg"])
    let flat = ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"]
    #expect(
      try Self.task(.imagenet, flat, labels: text(["65", "970"])).labels?.labels == [flat[0]: 65, flat[1]: 970])
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("quern-\(UUID().uuidString).yaml")
    defer { try? FileManager.default.removeItem(at: url) }
    try Data(text(["---", "100000.jpg: 90", "100001.jpg: -90"]).utf8).write(to: url)
    #expect(try HolidaysSet.rotations(path: url.path) == ["100000.jpg": 1, "100001.jpg": 3])
  }

  @Test func imagenetLabelsFromFoldersOrAList() throws {
    let folders = try Self.task(.imagenet, ["n01440764/a.JPEG", "n01443537/b.JPEG"])
    #expect(folders.labels?.labels == ["n01440764/a.JPEG": 0, "n01443537/b.JPEG": 1])
    let flat = ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"]
    let byName = try Self.task(
      .imagenet, flat, labels: "ILSVRC2012_val_00000002.JPEG n01440764\nILSVRC2012_val_00000001.JPEG n01443537\n")
    #expect(byName.labels?.labels == [flat[0]: 1, flat[1]: 0])
    #expect(try Self.task(.imagenet, flat, labels: "65\n970").labels?.labels == [flat[0]: 65, flat[1]: 970])
    #expect(byName.queries.isEmpty)
    for labels in ["65", "1\n1000", "65\ncat", "65 1\n66", nil] {
      #expect(throws: RetrievalError.self) { try Self.task(.imagenet, flat, labels: labels) }
    }
    #expect(throws: RetrievalError.self) { try Self.task(.imagenet, ["cats/a.jpg", "dogs/b.jpg"]) }
  }

  @Test func optionsOfOtherSetsAreRefused() throws {
    #expect(throws: RetrievalError.self) { try Self.task(.ukbench, ["ukbench00000.jpg"], truth: ("a.json", "[]")) }
    #expect(throws: RetrievalError.self) { try Self.task(.groups, ["a.jpg"]) }
    #expect(throws: RetrievalError.self) { try Self.list(["a", "a"]) }
  }

  @Test func rotationsAreClockwiseQuarters() throws {
    let url = FileManager.default.temporaryDirectory.appendingPathComponent("quern-\(UUID().uuidString).yaml")
    defer { try? FileManager.default.removeItem(at: url) }
    func read(_ text: String) throws -> [String: Int] {
      try Data(text.utf8).write(to: url)
      return try HolidaysSet.rotations(path: url.path)
    }
    #expect(
      try read("{\n\"100600.jpg\": 90,\n\"100700.jpg\": 270,\n\"139302.jpg\": 180,\n\"1.jpg\": 0,\n}")
        == ["100600.jpg": 1, "100700.jpg": 3, "139302.jpg": 2])
    #expect(
      try read("# turned\n---\n100600.jpg: 90\n'100700.jpg': -90  # left\n") == ["100600.jpg": 1, "100700.jpg": 3])
    #expect(try read("{ '\(flags):\(flags).jpg' : 90 }") == ["\(flags):\(flags).jpg": 1])
    for text in ["a.jpg: 45", "a.jpg", "a.jpg: 90\na.jpg: 90", "a.jpg: right", flags, "a:\(flags)"] {
      #expect(throws: RetrievalError.self) { try read(text) }
    }
  }

  @Test func leavingImagesOutMovesIndices() throws {
    var task = try Self.task(.folders, ["a/1.jpg", "a/2.jpg", "a/3.jpg", "b/1.jpg", "b/2.jpg"])
    task.leaveOut([1, 3])
    #expect(
      Self.described(task) == [
        "a/1.jpg: a/3.jpg |  | a/1.jpg", "a/3.jpg: a/1.jpg |  | a/3.jpg", "b/2.jpg:  |  | b/2.jpg",
      ])
    var copies = try Self.task(.copydays, ["200000.jpg", "200001.jpg", "200100.jpg", "200101.jpg"])
    copies.leaveOut([0, 2])  // The first original, and the first copy.
    #expect(Self.described(copies) == ["200101.jpg: 200100.jpg |  | "])
  }
}
