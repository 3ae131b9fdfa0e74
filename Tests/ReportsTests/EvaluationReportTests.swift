import Fidelity
import Foundation
import Reports
import Retrieval
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

/// Evaluations as JSON, Markdown, JUnit and HTML.
@Suite struct EvaluationReportTests {
  /// Two models on four queries, one of which got worse; names try to break out of every format.
  private static func report() throws -> EvaluationReport {
    let images = ["<a>&\"|.jpg", "b\u{1B}[31m.jpg", "c.jpg", "d.jpg"].sorted(by: precedesInUTF8).map {
      TaskImage(name: $0, path: nil)
    }
    let queries = images.indices.map {
      RetrievalQuery(name: images[$0].name, source: .gallery($0), easy: [($0 + 1) % 4], ignored: [$0])
    }
    let task = RetrievalTask(set: "groups", images: images, queries: queries)
    func results(_ ranks: [Int]) -> [QueryResult] {
      zip(queries, ranks).map { QueryResult(of: $0, in: [.all], ranks: [$1], first: []) }
    }
    let (first, second) = (results([0, 0, 1, 0]), results([1, 0, 1, 0]))
    var report = EvaluationReport(task)
    for (path, found) in [("<float>.pth", first), ("int8|.quern", second)] {
      var model = EvaluatedModel(path: path, precision: path.hasSuffix("quern") ? "int8" : "float32")
      model.figures = [try #require(RetrievalFigures(.all, found))]
      report.models.append(model)
    }
    report.models[1].comparison = ModelComparison(task, first, second)
    report.gates = [
      EvaluationGate(.mapDrop, model: "int8|.quern", value: report.models[1].comparison?.mapDrop, limit: 1),
      EvaluationGate(.top1Drop, model: "int8|.quern", value: nil, limit: 1),
    ]
    report.warnings = ["a <warning> & more"]
    let query = QuerySheet.Found(picture: nil, name: images[0].name, isPositive: false)
    let change = try #require(report.models[1].comparison?.changes.first)
    report.sheets = [
      QuerySheet(query: query, change: change, rows: [("<float>.pth", [query]), ("int8|.quern", [query])])
    ]
    return report
  }

  @Test func jsonStatesFiguresInPercent() throws {
    let report = try Self.report()
    let json = try #require(
      try JSONSerialization.jsonObject(with: Data(try report.rendered(as: .json).utf8)) as? [String: Any])
    #expect(json["schema"] as? String == "quern.evaluation/1" && json["passed"] as? Bool == false)
    let models = try #require(json["models"] as? [[String: Any]])
    #expect(models.map { $0["map"] as? Double } == [81.25, 62.5])
    #expect(models.map { $0["map_standard"] as? Double } == [87.5, 75])
    #expect(models.map { $0["recall_at_1"] as? Double } == [75, 50])
    #expect(models[0]["comparison"] is NSNull && models[0]["top1"] is NSNull)
    let comparison = try #require(models[1]["comparison"] as? [String: Any])
    #expect(comparison["map_drop"] as? Double == 18.75 && comparison["worse"] as? Int == 1)
    #expect((comparison["changes"] as? [[String: Any]])?.count == 1)
    let gates = try #require(json["gates"] as? [[String: Any]])
    #expect(gates.map { $0["passed"] as? Bool } == [false, false])
    #expect(gates[1]["value"] is NSNull)
  }

  /// HTML pages are XML, too.
  @Test(arguments: [EvaluationFormat.junit, .html])
  func markupIsWellFormed(format: EvaluationFormat) throws {
    let text = try Self.report().rendered(as: format)
    #if canImport(FoundationXML)
      #expect(XMLParser(data: Data(text.utf8)).parse())
    #endif
    #expect(!text.contains("\u{1B}") && !text.contains("<float>") && !text.contains("<warning>"))
    if format == .junit { #expect(text.contains("tests=\"2\" failures=\"2\"")) }
  }

  @Test func textAndMarkdownCannotBreakOut() throws {
    let report = try Self.report()
    let (text, markdown) = (report.text(), try report.rendered(as: .markdown))
    #expect(!text.contains("\u{1B}") && !markdown.contains("\u{1B}"))
    #expect(text.contains("mAP (trapezoids)") && text.contains("81.25 %") && text.contains("FAIL  mAP drop 18.75 pp"))
    #expect(text.contains("1 / 0 / 3"))
    #expect(markdown.contains("❌ 2 of 2 gates failed") && markdown.contains("int8\\|.quern"))
    #expect(throws: ReportError.self) { try EvaluationFormat(path: "report.pdf") }
  }
}
