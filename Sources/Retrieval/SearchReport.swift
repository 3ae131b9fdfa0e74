import Fidelity

/// The images of a gallery that are closest to each query.
package struct SearchReport: Sendable {
  /// An image.
  package struct Image: Sendable {
    package let name: String
    /// A thumbnail; `nil` where none was requested, or the file is not available any more.
    package let picture: Picture?

    package init(name: String, picture: Picture?) { (self.name, self.picture) = (name, picture) }
  }

  /// An image that was found.
  package struct Neighbour: Sendable {
    package let image: Image
    /// The cosine of its embedding and that of the query, at most 1.
    package let cosine: Float

    package init(image: Image, cosine: Float) { (self.image, self.cosine) = (image, cosine) }
  }

  /// A query, with what was found.
  package struct Query: Sendable {
    package let image: Image
    /// The closest images, the closest first; of equally close ones, that whose name comes first.
    package let neighbours: [Neighbour]
    /// The names of the query's own file in the gallery, which are left out.
    package let itself: [String]

    package init(image: Image, neighbours: [Neighbour], itself: [String]) {
      (self.image, self.neighbours, self.itself) = (image, neighbours, itself)
    }
  }

  /// The file of the model.
  package let model: String
  /// The content hash of a package, in hexadecimal; `nil` of a checkpoint, whose network runs in float.
  package let contentHash: String?
  /// The number of elements of an embedding.
  package let dimension: Int
  /// The number of images that were searched.
  package let galleryImages: Int
  /// The number of broken images that were left out.
  package let skippedImages: Int
  package let queries: [Query]

  package init(
    model: String, contentHash: String?, dimension: Int, galleryImages: Int, skippedImages: Int, queries: [Query]
  ) {
    (self.model, self.contentHash, self.dimension) = (model, contentHash, dimension)
    (self.galleryImages, self.skippedImages, self.queries) = (galleryImages, skippedImages, queries)
  }
}
