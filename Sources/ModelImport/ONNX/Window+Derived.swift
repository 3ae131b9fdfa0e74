import Operators

/// Windows that are derived from others when nodes are joined. A window whose output is rounded up, or whose padding
/// follows from the size of the map, means something else on another map; such windows are not derived.
extension Window {
  /// Whether the window is the same, relative to the edges of a map, on maps of all sizes.
  private var isStated: Bool { !ceilMode && !padsToSize }

  /// The window that covers, on a map, what this one covers on the map's square blocks; `nil` where there is none.
  ///
  /// - Parameter block: the height and the width of a block, in pixels.
  func scaled(by block: Int) -> Window? {
    guard isStated, dilationHeight == 1, dilationWidth == 1 else { return nil }
    var result = self
    (result.height, result.width) = (height * block, width * block)
    (result.strideHeight, result.strideWidth) = (strideHeight * block, strideWidth * block)
    (result.top, result.left) = (top * block, left * block)
    (result.bottom, result.right) = (bottom * block, right * block)
    return result
  }

  /// The window that covers, on a map, what this one covers on the map with margins around it; `nil` where there is
  /// none.
  func padded(by margins: MapMargins) -> Window? {
    guard isStated else { return nil }
    var result = self
    result.top += margins.top
    result.left += margins.left
    result.bottom += margins.bottom
    result.right += margins.right
    return result
  }
}
