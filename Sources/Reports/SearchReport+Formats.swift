import Fidelity
import PrintableText
import Retrieval

extension SearchReport {
  private static func shown(_ cosine: Float) -> String { fixed(Double(cosine), decimals: 4) }

  /// How the network runs, in a word.
  private var precision: String { contentHash == nil ? "float" : "int8" }

  private var summary: String {
    let images = "\(galleryImages) image\(galleryImages == 1 ? "" : "s")"
    let skipped =
      skippedImages == 0 ? "" : ", \(skippedImages) broken image\(skippedImages == 1 ? "" : "s") skipped"
    return "searched \(images) by \(precision) embeddings of \(dimension) values\(skipped)"
  }

  /// For a terminal: a table for each query.
  package var text: String {
    var lines = [summary]
    for query in queries {
      lines += ["", printable(query.image.name)]
      let rows = query.neighbours.enumerated().map { rank, neighbour in
        ("\(rank + 1)", "\(Self.shown(neighbour.cosine))  \(printable(neighbour.image.name))")
      }
      lines += aligned([("rank", "cosine  image")] + rows)
      if query.neighbours.isEmpty { lines.append("  no other image is in the gallery") }
      if !query.itself.isEmpty { lines.append("  left out: the query itself, \(names(query.itself))") }
    }
    return lines.map { "\($0)\n" }.joined()
  }

  private func names(_ names: [String]) -> String { names.map { printable($0) }.joined(separator: ", ") }

  /// A page that loads nothing, with the pictures of each query and of what was found.
  package func html() -> String {
    var page = Page(title: "Images like others", answer: "\(summary).")
    for query in queries {
      page.body += [
        "<h2>\(escapedForXML(printable(query.image.name)))</h2>", "<div class=\"row\">",
        figure(query.image.picture, printable(query.image.name), title: "query"),
      ]
      page.body += query.neighbours.enumerated().map { rank, neighbour in
        figure(
          neighbour.image.picture, printable(neighbour.image.name),
          title: "\(rank + 1): cosine \(Self.shown(neighbour.cosine))")
      }
      page.body.append("</div>")
      if !query.itself.isEmpty {
        page.body.append("<p>Left out: the query itself, \(escapedForXML(names(query.itself)))</p>")
      }
    }
    page.remarks = ["Model: \(printable(model))"] + (contentHash.map { ["Content hash: \($0)"] } ?? [])
    return page.html()
  }

  /// The report as a JSON object.
  package func json() throws -> String {
    struct Found: Encodable {
      let rank: Int
      let cosine: Float
      let file: String
    }
    struct QueryDocument: Encodable {
      let query: String
      let neighbours: [Found]
      let leftOut: [String]

      enum CodingKeys: String, CodingKey {
        case query, neighbours
        case leftOut = "left_out"
      }
    }
    struct Document: Encodable {
      let schema = "quern.search/1"
      let model: String
      let contentHash: String?
      let dimension: Int
      let galleryImages: Int
      let skippedImages: Int
      let queries: [QueryDocument]

      enum CodingKeys: String, CodingKey {
        case schema, model, dimension, queries
        case contentHash = "content_hash"
        case galleryImages = "gallery_images"
        case skippedImages = "skipped_images"
      }
    }
    let document = Document(
      model: model, contentHash: contentHash, dimension: dimension, galleryImages: galleryImages,
      skippedImages: skippedImages,
      queries: queries.map { query in
        QueryDocument(
          query: query.image.name,
          neighbours: query.neighbours.enumerated().map {
            Found(rank: $0 + 1, cosine: $1.cosine, file: $1.image.name)
          }, leftOut: query.itself)
      })
    return try jsonDocument(document)
  }
}
