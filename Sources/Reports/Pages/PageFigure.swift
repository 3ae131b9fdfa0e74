import Fidelity
import FoundationEssentials

/// A picture with a caption; the caption alone where there is no picture.
///
/// - Parameters:
///   - name: what the picture shows, as plain text: its alternative, and the end of the caption.
///   - title: the first line of the caption, as plain text; `nil`: none.
///   - style: the class of the figure; `nil`: none.
func figure(_ picture: Picture?, _ name: String, title: String? = nil, style: String? = nil) -> String {
  let name = escapedForXML(name)
  let image = picture.map {
    "<img alt=\"\(name)\" width=\"\($0.width)\" height=\"\($0.height)\" src=\"\($0.dataURI)\"/>"
  }
  let caption = (title.map { escapedForXML($0) + "<br/>" } ?? "") + name
  return "<figure\(style.map { " class=\"\($0)\"" } ?? "")>\(image ?? "")<figcaption>\(caption)</figcaption></figure>"
}

extension Picture {
  /// The PNG file as a URL that a page can embed.
  fileprivate var dataURI: String { "data:image/png;base64,\(Data(png).base64EncodedString())" }
}
