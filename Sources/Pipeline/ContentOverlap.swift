import Images
import Kernels

/// Which images of one list are also in another, whatever their names.
enum ContentOverlap {
  /// The names of those of `files` whose content is that of one of `others`, in their order. Files that cannot be read
  /// have none; reading them for their pixels says why.
  static func names(of files: [ImageFolder.File], in others: [ImageFolder.File], threads: Int) -> [String] {
    let known = Set(keys(others, threads: threads).compactMap { $0 })
    return zip(files, keys(files, threads: threads)).compactMap { file, key in
      key.map(known.contains) == true ? file.relativePath : nil
    }
  }

  private static func keys(_ files: [ImageFolder.File], threads: Int) -> [UInt64?] {
    let keys = SlotStore<UInt64>()
    ThreadTeam(count: min(threads, files.count)).forEach(files.count) { index, _ in
      if let bytes = try? ImageFile.read(files[index].path) { keys[index] = ImageFile.key(ofContent: bytes) }
    }
    return files.indices.map { keys[$0] }
  }
}
