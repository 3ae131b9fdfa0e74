import Foundation

/// A JSON document in which the value at a path of keys and indices, separated by points, is replaced.
///
/// - Parameter new: JSON; `nil` where the value is removed.
package func edited(_ json: String, _ path: String, _ new: String?) throws -> String {
  var value: Any?
  if let new { value = (try JSONSerialization.jsonObject(with: Data("[\(new)]".utf8)) as? [Any])?.first }
  let object = try JSONSerialization.jsonObject(with: Data(json.utf8))
  let text = try JSONSerialization.data(withJSONObject: try replaced(object, path.split(separator: ".")[...], value))
  return String(decoding: text, as: UTF8.self)
}

private struct NoSuchValue: Error {}

private func replaced(_ value: Any, _ path: ArraySlice<Substring>, _ new: Any?) throws -> Any {
  guard let key = path.first else {
    guard let new else { throw NoSuchValue() }
    return new
  }
  let isRemoved = path.count == 1 && new == nil
  if var members = value as? [String: Any] {
    let old = members.removeValue(forKey: String(key)) ?? NSNull()
    if !isRemoved { members[String(key)] = try replaced(old, path.dropFirst(), new) }
    return members
  }
  guard var elements = value as? [Any], let index = Int(key), elements.indices.contains(index) else {
    throw NoSuchValue()
  }
  let old = elements.remove(at: index)
  if !isRemoved { elements.insert(try replaced(old, path.dropFirst(), new), at: index) }
  return elements
}
