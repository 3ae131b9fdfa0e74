import Pixels
import Threads

import struct Synchronization.Atomic

/// How an image is to be turned for display, as cameras note it in EXIF data (CIPA DC-008, tag 0x0112, Orientation).
package enum EXIFOrientation: UInt16, Hashable, Sendable, CaseIterable {
  /// The names say what turns the stored image upright; angles are clockwise.
  case upright = 1
  case mirrored, turnedBy180, flipped, transposed, turnedBy90, transversed, turnedBy270

  /// The orientation that a JPEG, PNG or WebP file states; `upright` where it states none, or none that is valid.
  ///
  /// Read is the first EXIF block: an APP1 segment before the first scan of a JPEG, an eXIf chunk of a PNG, an EXIF
  /// chunk of a WebP file.
  init(of file: UnsafeRawBufferPointer, _ format: ImageFormat) {
    let block =
      switch format {
      case .jpeg: Self.blockOfJPEG(file)
      case .png: Self.blockOfPNG(file)
      case .webp: Self.blockOfWebP(file)
      }
    self = block.flatMap(Self.orientation).flatMap(Self.init(rawValue:)) ?? .upright
  }

  // MARK: Whether this process applies it

  private static let isOn = Atomic<Bool>(false)
  private static let ignoredFiles = Mutex(IgnoredFiles())

  private struct IgnoredFiles {
    /// The first path in the order of UTF-8.
    var first: String?
    /// Hashes of the paths, which take less memory.
    var keys: Set<UInt64> = []
    var areReported = false
  }

  /// Whether decoded images are turned upright. Otherwise they are used as they are stored, as by Pillow.
  package static var isApplied: Bool { isOn.load(ordering: .relaxed) }

  /// Turns all images upright that this process decodes from now on.
  package static func apply() { isOn.store(true, ordering: .relaxed) }

  /// The files decoded so far whose orientation was ignored: the first of their paths, and their number. `nil` where
  /// there are none, and for whoever asks again.
  package static func reportIgnored() -> (first: String, count: Int)? {
    ignoredFiles.withLock { files in
      guard !files.areReported, let first = files.first else { return nil }
      files.areReported = true
      return (first, files.keys.count)
    }
  }

  /// Counts a file whose orientation is ignored.
  static func ignore(_ path: String) {
    ignoredFiles.withLock { files in
      guard !files.areReported else { return }
      files.keys.insert(ImageFile.key(ofContent: Array(path.utf8)))
      guard let first = files.first, !path.utf8.lexicographicallyPrecedes(first.utf8) else {
        files.first = path
        return
      }
    }
  }

  // MARK: Files

  private static let signature = Array("Exif\0\0".utf8)

  private static func blockOfJPEG(_ file: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    var offset = 2
    while let marker = file.bigEndian(UInt16.self, at: offset), marker >= 0xFF00 {
      let (startOfScan, app1, fill): (UInt16, UInt16, UInt16) = (0xFFDA, 0xFFE1, 0xFFFF)
      if marker == fill {
        offset += 1
        continue
      }
      // Markers without a length do not come before the first scan.
      guard marker != startOfScan, let length = file.bigEndian(UInt16.self, at: offset + 2), length >= 2 else {
        return nil
      }
      let end = offset + 2 + Int(length)
      guard end <= file.count else { return nil }
      let content = file[(offset + 4)..<end]
      if marker == app1, content.starts(with: signature) { return content.dropFirst(signature.count) }
      offset = end
    }
    return nil
  }

  private static func blockOfPNG(_ file: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    var offset = 8
    while let length = file.bigEndian(UInt32.self, at: offset) {
      let start = offset + 8
      guard start <= file.count, Int(length) <= file.count - start else { return nil }
      let content = file[start..<start + Int(length)]
      if file[(offset + 4)..<start].elementsEqual("eXIf".utf8) { return content }
      // A checksum follows.
      offset = content.endIndex + 4
    }
    return nil
  }

  private static func blockOfWebP(_ file: UnsafeRawBufferPointer) -> Slice<UnsafeRawBufferPointer>? {
    var offset = 12
    while let length = file.bigEndian(UInt32.self, at: offset + 4)?.byteSwapped {
      let start = offset + 8
      guard Int(length) <= file.count - start else { return nil }
      let content = file[start..<start + Int(length)]
      if file[offset..<offset + 4].elementsEqual("EXIF".utf8) {
        // Some programs repeat the signature of JPEG files.
        return content.starts(with: signature) ? content.dropFirst(signature.count) : content
      }
      // Chunks are padded to an even length.
      offset = content.endIndex + Int(length & 1)
    }
    return nil
  }

  /// The value of the tag in the first directory of a TIFF structure, whose offsets count from its beginning.
  private static func orientation(_ block: Slice<UnsafeRawBufferPointer>) -> UInt16? {
    let tiff = UnsafeRawBufferPointer(rebasing: block)
    let isLittleEndian: Bool
    if tiff.starts(with: "II*\0".utf8) {
      isLittleEndian = true
    } else if tiff.starts(with: [0x4D, 0x4D, 0, 0x2A]) {
      isLittleEndian = false
    } else {
      return nil
    }
    func number<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T? {
      tiff.bigEndian(type, at: offset).map { isLittleEndian ? $0.byteSwapped : $0 }
    }
    guard let directory = number(UInt32.self, at: 4), let count = number(UInt16.self, at: Int(directory)) else {
      return nil
    }
    let (tag, short): (UInt16, UInt16) = (0x0112, 3)
    for index in 0..<Int(count) {
      let entry = Int(directory) + 2 + 12 * index
      guard let name = number(UInt16.self, at: entry) else { return nil }
      guard name == tag else { continue }
      return number(UInt16.self, at: entry + 2) == short ? number(UInt16.self, at: entry + 8) : nil
    }
    return nil
  }
}

extension RGBImage {
  /// The image as it is to be shown: exactly the result of Pillow's `ImageOps.exif_transpose`.
  package func turned(_ orientation: EXIFOrientation) -> RGBImage {
    switch orientation {
    case .upright: self
    case .mirrored: flippedHorizontally()
    case .turnedBy180: turned(quarters: 2)
    case .flipped: turned(quarters: 2).flippedHorizontally()
    case .transposed: turned(quarters: 1).flippedHorizontally()
    case .turnedBy90: turned(quarters: 1)
    case .transversed: turned(quarters: 3).flippedHorizontally()
    case .turnedBy270: turned(quarters: 3)
    }
  }
}

extension UnsafeRawBufferPointer {
  /// The integer at an offset that is not negative; `nil` where it is not wholly in the buffer.
  fileprivate func bigEndian<T: FixedWidthInteger>(_ type: T.Type, at offset: Int) -> T? {
    guard offset <= count - MemoryLayout<T>.size else { return nil }
    return T(bigEndian: loadUnaligned(fromByteOffset: offset, as: type))
  }
}
