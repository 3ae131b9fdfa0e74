import Fidelity
import FidelitySamples
import Files
import Foundation
import FoundationXML
import Reports
import Testing

/// What all HTML reports share. `scripts/test-pages` opens them in a browser.
@Suite struct PageTests {
  /// Reads elements and attributes with a real parser, and fails for a page that loads something or is not well-formed.
  static func expectSelfContained(_ page: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let (reader, parser) = (Reader(), XMLParser(data: Data(page.utf8)))
    parser.delegate = reader
    #expect(
      parser.parse(), "\(String(describing: parser.parserError)), line \(parser.lineNumber)",
      sourceLocation: sourceLocation)
    #expect(reader.references.allSatisfy { $0.hasPrefix("#") || $0.hasPrefix("data:image/png;") })
    #expect(reader.links.allSatisfy(reader.identifiers.contains), sourceLocation: sourceLocation)
    #expect(reader.count["script"] == 1 && reader.count["style"] == 1 && reader.count["h1"] == 1)
    #expect(reader.policy == Page.policy, sourceLocation: sourceLocation)
    #expect(reader.unnamedCharts == 0 && reader.identifiers.count == Set(reader.identifiers).count)
  }

  /// The hashes are constants, as the style and the script are: this says what they are to be after a change.
  @Test func hashesAreThoseOfStyleAndScript() throws {
    for (text, hash) in [(Page.style, Page.styleHash), (Page.script, Page.scriptHash)] {
      let digest = SHA256.hash(Array(text.utf8))
      #expect("sha256-" + Data(digest.bytes).base64EncodedString() == hash)
    }
    #expect(!Page.script.contains("<") && !Page.script.contains("&"))
  }

  @Test func fidelityPagesAreSelfContainedWithAnyName() throws {
    for report in try [Sample.failing(), Sample.passing(), Sample.searched(), Sample.report([])] {
      let page = try report.rendered(as: .html)
      try Self.expectSelfContained(page)
      #expect(page.contains("<strong class=\"badge \(report.verdict.rawValue)\">"))
      #expect(
        !page.contains("<b>") && !page.contains("<new>") && !page.contains("\u{1B}") && !page.contains("\u{202E}"))
      #expect(try report.rendered(as: .html) == page)
    }
  }

  /// Efforts with any name and verdict, and one that has no package because its reference does not match.
  @Test func effortPagesAreSelfContainedWithAnyName() throws {
    let reports = try [Sample.passing(), Sample.failing(), Sample.report([])]
    let efforts = EffortReport(
      checkpoint: "<b>&\u{1B}.pth", imageSize: 64, threads: 2, float: .init(bytes: 4_000_000, milliseconds: 8.25),
      conversions: zip(["fast", "balanced", "<new>"], reports).map {
        .init(effort: $0, report: $1, milliseconds: 2.5, seconds: 31)
      })
    let page = try efforts.rendered(as: .html)
    try Self.expectSelfContained(page)
    #expect(page.contains("<strong class=\"badge pass\">") && page.contains("class=\"verdict fail\">fail<"))
    #expect(!page.contains("<b>") && !page.contains("<new>") && !page.contains("\u{1B}"))
    // Each bar is as long as its share of the greatest, and float has one where it has the cost.
    #expect(page.components(separatedBy: "<rect class=\"quiet\"").count == 4)
    #expect(page.contains("fast: 2.50") && page.contains("float: 8.25"))
  }

  /// Residual blocks, and several hundred layers: every layer has a link, and skips have lanes that stay in the drawing.
  @Test(arguments: [3, 400]) func graphsHaveEveryLayer(count: Int) throws {
    var analysis = try AnalysisRenderingTests.analysis(drifts: [0.1])
    analysis.layers = (0..<count).map { index in
      var layer = LayerLoss(
        name: "layer\(index).conv", kind: "convolution", arithmetic: "int8", format: "uint8", reason: "", bytes: index)
      layer.inputs = index == 0 ? [] : ["layer\(index - 1).conv"] + (index > 2 ? ["layer\(index - 3).conv"] : [])
      return layer
    }
    let page = analysis.html()
    try Self.expectSelfContained(page)
    #expect(page.components(separatedBy: "<a href=\"#layer-").count == count + 1)
    #expect(page.components(separatedBy: "class=\"edge\"").count == count + max(0, count - 3))
  }

  private final class Reader: NSObject, XMLParserDelegate {
    var references: [String] = []
    var links: [String] = []
    var identifiers: [String] = []
    var count: [String: Int] = [:]
    var policy = ""
    var unnamedCharts = 0

    func parser(
      _ parser: XMLParser, didStartElement element: String, namespaceURI: String?, qualifiedName: String?,
      attributes: [String: String]
    ) {
      count[element, default: 0] += 1
      references += ["src", "href", "srcset", "action", "data"].compactMap { attributes[$0] }
      if let link = attributes["href"] { links.append(String(link.dropFirst())) }
      if let identifier = attributes["id"] { identifiers.append(identifier) }
      if attributes["http-equiv"] == "Content-Security-Policy" { policy = attributes["content"] ?? "" }
      if element == "svg", attributes["aria-label"] == nil, attributes["aria-hidden"] == nil { unnamedCharts += 1 }
      if element == "img", attributes["alt"]?.isEmpty != false { unnamedCharts += 1 }
    }
  }
}
