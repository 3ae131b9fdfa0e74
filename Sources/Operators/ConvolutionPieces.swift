/// How the output of a convolution is divided among threads: into groups, and each of them into pieces of rows and of
/// channels.
struct ConvolutionPieces: Sendable {
  /// One piece of the work.
  struct Piece {
    let group: Int
    let firstRow: Int
    /// Of the group.
    let firstChannel: Int
  }

  private let groups: Int
  private let rows: Int
  private let channels: Int
  /// The rows of a piece, but the last may have fewer.
  let rowChunk: Int
  /// The channels of a piece, but the last of a group may have fewer.
  let channelChunk: Int

  /// Pieces of the given size.
  ///
  /// - Parameters:
  ///   - rows: The pixels of the output.
  ///   - channels: The output channels of a group.
  init(groups: Int, rows: Int, channels: Int, rowChunk: Int, channelChunk: Int) {
    (self.groups, self.rows, self.channels) = (groups, rows, channels)
    (self.rowChunk, self.channelChunk) = (rowChunk, channelChunk)
  }

  /// Two pieces for each worker that share as little data as possible: by output channels where more weights than
  /// inputs are read, by rows otherwise.
  ///
  /// - Parameters:
  ///   - rows: The pixels of the output.
  ///   - channels: The output channels of a group.
  init(groups: Int, rows: Int, channels: Int, workers: Int) {
    var (rowChunk, channelChunk) = (rows, channels)
    if workers > 1, groups < 2 * workers {
      let pieces = 2 * workers
      if channels > rows, channels >= 64 * workers {
        channelChunk = ActivationLayout.roundUp((channels + pieces - 1) / pieces, to: 64)
      } else {
        rowChunk = ActivationLayout.roundUp((rows + pieces - 1) / pieces, to: 12)
      }
    }
    self.init(groups: groups, rows: rows, channels: channels, rowChunk: rowChunk, channelChunk: channelChunk)
  }

  private var rowPieces: Int { (rows + rowChunk - 1) / rowChunk }
  private var channelPieces: Int { (channels + channelChunk - 1) / channelChunk }

  var count: Int { groups * rowPieces * channelPieces }

  subscript(index: Int) -> Piece {
    let (rowPieces, channelPieces) = (rowPieces, channelPieces)
    let piece = index % (rowPieces * channelPieces)
    return Piece(
      group: index / (rowPieces * channelPieces), firstRow: piece / channelPieces * rowChunk,
      firstChannel: piece % channelPieces * channelChunk)
  }
}
