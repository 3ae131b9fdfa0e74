import Fidelity
import Foundation
import Reports
import Retrieval
import Testing

#if canImport(FoundationXML)
  import FoundationXML
#endif

@Suite struct TuningReportTests {
  private static func report(own: Int = 0, exponents: [Double] = [1, 2, 4]) throws -> TuningReport {
    let images = 0..<10
    let scores = [50.0, 60, 55].map { level in images.map { level + Double($0) } }
    let losses = [0.9, 0.8, 0.7].map { level in images.map { level + Double($0) / 100 } }
    let (maps, entropies) = (try #require(Bootstrap.means(scores)), try #require(Bootstrap.means(losses)))
    var report = TuningReport(
      checkpoint: "<a> & \u{1B}[31m.pth", images: ImageSet(name: "photos", images: 10, sha256: "00"), size: 96,
      input: "96 px, square", measured: 10, copies: 1, recipe: "full", labelled: 10, networkExponent: exponents[own],
      points: exponents.indices.map {
        .init(exponent: exponents[$0], map: maps[$0], crossEntropy: entropies[$0], top1: maps[$0])
      },
      byCopies: try #require(ExponentChoice(exponents, scores: scores, own: own)),
      byClasses: ExponentChoice(exponents, scores: losses.map { $0.map { -$0 } }, own: own),
      criterion: .copies)
    report.assumptions = ["<assumed>"]
    return report
  }

  @Test func textEndsWithTheOption() throws {
    let lines = try Self.report().text().split(separator: "\n").map(String.init)
    #expect(lines[0] == "photos: 10 images at 96 px, square, 1 augmented copy of each (full), 10 labelled")
    #expect(lines[3].hasPrefix("  2  64.50 % (") && lines[3].hasSuffix("best by copies"))
    #expect(lines[4].hasSuffix("best by classes"))
    #expect(
      lines[5].hasPrefix("by copies: p = 2; cross-validated") && lines[5].contains("mAP 64.50 %")
        && lines[5].hasSuffix("10.00 pp (10.00 to 10.00) against the network's own exponent"))
    #expect(lines[6].hasPrefix("by classes: p = 4;") && lines[6].contains("-0.2000 (-0.2000 to -0.2000)"))
    #expect(lines.last == "use --size 96:2")
  }

  /// Well-formed with any name, and for maximum pooling, which has no place on a logarithmic axis.
  @Test(arguments: [[1, 2, 4], [1, 2, .infinity]])
  func pagesAreWellFormed(exponents: [Double]) throws {
    let page = try Self.report(own: 2, exponents: exponents).rendered(as: .html)
    #expect(XMLParser(data: Data(page.utf8)).parse())
    #expect(!page.contains("<a>") && !page.contains("\u{1B}") && !page.contains("=\"nan") && !page.contains("=\"inf"))
    #expect(page.split(separator: "class=\"chart\"").count == 4)
  }

  @Test func jsonHasTheChoices() throws {
    let text = try Self.report().json()
    let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(object["schema"] as? String == TuningReport.schema && object["exponent"] as? Double == 2)
    let classes = try #require(object["by_classes"] as? [String: Any])
    #expect(classes["exponent"] as? Double == 4 && classes["fold_exponents"] as? [Double] == [4, 4, 4, 4, 4])
    #expect((object["curve"] as? [[String: Any]])?.map { $0["exponent"] as? Double } == [1, 2, 4])
  }

  @Test(arguments: [("a.HTML", PageFormat.html), ("x/b.json", .json)])
  func formatIsTheExtension(path: String, format: PageFormat) throws {
    #expect(try PageFormat(path: path) == format)
    #expect(throws: ReportError.pageFormat(path: path + "x")) { try PageFormat(path: path + "x") }
  }
}
