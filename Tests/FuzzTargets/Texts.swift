import Configuration
import Conversion
import Fidelity
import Files
import FoundationEssentials
import Reports
import Retrieval

extension FuzzTarget {
  /// Readers of text files: plans, reports, configuration, lists, ground truth, expressions.
  static let texts: [FuzzTarget] = [
    FuzzTarget(
      "plan", seeds: ["fuzzing/seeds/plan*.json"],
      words: [
        "quern.plan/1", "layers", "arithmetic", "int8", "output", "uint8", "scale", "zero_point", "observed", "rounded",
        "equalisation", "calibration", "calibration_pixels", "range_method", "rounding",
      ]
    ) { input in
      let plan = try PlanFile(json: Data(input.bytes), path: "input")
      let again = try PlanFile(json: Data(try plan.json().utf8), path: "input")
      precondition(again == plan, "a plan reads as it was written")
    },
    FuzzTarget(
      "report", seeds: ["fidelity/*.json"],
      words: ["quern.fidelity/1", "drift", "agreement", "gates", "null", "1e999", "-0", "sizes"], byteLimit: 1 << 13
    ) { input in
      let report = try FidelityReport(reading: input.text, from: "input")
      _ = try report.json()
    },
    FuzzTarget(
      "configuration", seeds: ["fuzzing/seeds/*.toml"],
      words: ["[gates]", "[[", "\"\"\"", "'''", "= true", "= [", "1979-05-27T07:32:00Z", "0x", "inf", "\\u0000"]
    ) { input in _ = try ConfigurationFile(path: "input", text: input.array) },
    FuzzTarget(
      "licence", seeds: ["fuzzing/seeds/*.spdx"],
      words: ["AND", "OR", "WITH", "MIT", "Apache-2.0", "GPL-2.0+", "LicenseRef-", "DocumentRef-", "(", ")"],
      byteLimit: 512
    ) { input in
      let expression = try SPDXExpression(input.text).text
      let again = try SPDXExpression(expression).text
      precondition(again == expression, "an expression reads as it was written")
    },
    FuzzTarget("json", seeds: ["retrieval/revisited/*.json"], words: ["\\ud83d\\ude00", "1e308", "null"]) { input in
      _ = try PlainValue.readJSON(try input.file())
    },
    FuzzTarget(
      "truth-json", seeds: ["retrieval/revisited/*.json", "fuzzing/seeds/groups*.json"],
      words: ["imlist", "qimlist", "gnd", "easy", "hard", "junk", "bbx", "groups", "ashmolean_000003"]
    ) { input in
      let files = EvaluationSet.Files(groundTruth: input.path(named: "truth.json"))
      try tasks([.revisited, .groups], files)
    },
    FuzzTarget("truth-pickle", seeds: ["retrieval/revisited/*.pkl"], words: ["imlist", "gnd", "easy"]) { input in
      try tasks([.revisited, .groups], EvaluationSet.Files(groundTruth: input.path(named: "truth.pkl")))
    },
    FuzzTarget("truth-csv", seeds: ["fuzzing/seeds/*.csv"], words: ["query,positive,kind", "hard", "\"\"", "\r\n"]) {
      try tasks([.pairs], EvaluationSet.Files(groundTruth: $0.path(named: "truth.csv")))
    },
    FuzzTarget("rotations", seeds: ["retrieval/holidays/*.yaml"], words: [".jpg: 90", "-270", "---", "{", "#"]) {
      try tasks([.holidays], EvaluationSet.Files(rotations: $0.path(named: "rotations.yaml")), holidays)
    },
    FuzzTarget("labels", seeds: ["retrieval/imagenet/*.txt"], words: ["n01440764", "ILSVRC2012_val_00000001.JPEG"]) {
      let path = $0.path(named: "labels.txt")
      _ = try TextFile.lines(path)
      try tasks([.imagenet], EvaluationSet.Files(labels: path), validation)
    },
  ]

  /// Makes the tasks of sets.
  private static func tasks(
    _ sets: [EvaluationSet], _ files: EvaluationSet.Files, _ list: ListedImages = gallery
  ) throws {
    try any(of: sets) { _ = try $0.task(list, files: files) }
  }

  /// The images that the ground truths among the seeds name.
  private static let gallery = list([
    "ashmolean_000003.jpg", "ashmolean_000005.jpg", "ashmolean_000007.jpg", "cathedral_000001.jpg",
    "cathedral_000002.jpg", "cathedral_000009.jpg", "oxford_000004.jpg", "oxford_000011.jpg", "oxford_000100.jpg",
  ])
  private static let holidays = list(["100000.jpg", "100001.jpg", "100100.jpg"])
  private static let validation = list((1...4).map { "ILSVRC2012_val_0000000\($0).JPEG" })

  private static func list(_ names: [String]) -> ListedImages {
    do { return try ListedImages(names: names, source: "images") } catch { fatalError("\(error)") }
  }
}
