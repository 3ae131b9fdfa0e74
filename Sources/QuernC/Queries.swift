// The names of functions are those of quern.h.
// swift-format-ignore-file: AlwaysUseLowerCamelCase

import CQuern
import Inference
import PackageFormat
import Pixels

private func resolution(_ model: OpaquePointer?, _ index: Int) -> Resolution? {
  guard let resolutions = ModelHandle.at(model)?.model.info.resolutions, resolutions.indices.contains(index) else {
    return nil
  }
  return resolutions[index]
}

extension quern_fidelity {
  /// - Parameter side: the image size in pixels.
  fileprivate init(_ stored: StoredFidelity, side: Int) {
    self.init()
    let figures = stored.figures(side: side)
    size = UInt32(clamping: side)
    measured = figures == nil ? 0 : 1
    passed = figures?.passed == true ? 1 : 0
    let verdict =
      switch stored.verdict {
      case nil: QUERN_VERDICT_NONE
      case .pass: QUERN_VERDICT_PASS
      case .inconclusive: QUERN_VERDICT_INCONCLUSIVE
      case .fail: QUERN_VERDICT_FAIL
      }
    self.verdict = verdict.rawValue
    images = UInt64(clamping: figures?.images ?? 0)
    labelled_images = UInt64(clamping: figures?.labelledImages ?? 0)
    func figure(_ path: String) -> Double { figures?[path] ?? .nan }
    (drift_mean, drift_max, drift_std) = (figure("drift.mean"), figure("drift.max"), figure("drift.std"))
    (drift_p50, drift_p95, drift_p99) = (figure("drift.p50"), figure("drift.p95"), figure("drift.p99"))
    (agreement_top1, agreement_top5) = (figure("agreement.top1"), figure("agreement.top5"))
    decisive_top1 = figure("decisive_agreement.top1")
    (float_top1, int8_top1, top1_drop) = (figure("float.top1"), figure("int8.top1"), figure("top1_drop"))
    neighbour_top1 = figure("neighbours.int8_in_int8.top1")
  }
}

#if compiler(>=6.3)
  @c(quern_model_dimension) @implementation
#else
  @_cdecl("quern_model_dimension")
#endif
public func quern_model_dimension(_ model: OpaquePointer?) -> Int {
  ModelHandle.at(model)?.model.info.embeddingDimension ?? 0
}

#if compiler(>=6.3)
  @c(quern_model_class_count) @implementation
#else
  @_cdecl("quern_model_class_count")
#endif
public func quern_model_class_count(_ model: OpaquePointer?) -> Int {
  ModelHandle.at(model)?.model.info.classCount ?? 0
}

#if compiler(>=6.3)
  @c(quern_model_label) @implementation
#else
  @_cdecl("quern_model_label")
#endif
public func quern_model_label(_ model: OpaquePointer?, _ index: Int) -> UnsafePointer<CChar>? {
  guard let labels = ModelHandle.at(model)?.labels, labels.indices.contains(index) else { return nil }
  return labels[index].pointer
}

#if compiler(>=6.3)
  @c(quern_model_size_count) @implementation
#else
  @_cdecl("quern_model_size_count")
#endif
public func quern_model_size_count(_ model: OpaquePointer?) -> Int {
  ModelHandle.at(model)?.model.info.resolutions.count ?? 0
}

#if compiler(>=6.3)
  @c(quern_model_size) @implementation
#else
  @_cdecl("quern_model_size")
#endif
public func quern_model_size(_ model: OpaquePointer?, _ index: Int) -> UInt32 {
  resolution(model, index).map { UInt32(clamping: $0.side) } ?? 0
}

#if compiler(>=6.3)
  @c(quern_model_pooling_exponent) @implementation
#else
  @_cdecl("quern_model_pooling_exponent")
#endif
public func quern_model_pooling_exponent(_ model: OpaquePointer?, _ index: Int) -> Double {
  resolution(model, index)?.poolingExponent ?? 0
}

#if compiler(>=6.3)
  @c(quern_model_crop) @implementation
#else
  @_cdecl("quern_model_crop")
#endif
public func quern_model_crop(_ model: OpaquePointer?) -> UnsafePointer<CChar>? {
  guard let evaluation = ModelHandle.at(model)?.model.info.standard.evaluation else { return nil }
  let name: StaticString =
    switch evaluation.crop {
    case .square: "square"
    case .rect: "rect"
    }
  return name.cString
}

#if compiler(>=6.3)
  @c(quern_model_crop_ratio) @implementation
#else
  @_cdecl("quern_model_crop_ratio")
#endif
public func quern_model_crop_ratio(_ model: OpaquePointer?) -> Double {
  ModelHandle.at(model)?.model.info.standard.evaluation.cropRatio ?? 0
}

#if compiler(>=6.3)
  @c(quern_model_resize_filter) @implementation
#else
  @_cdecl("quern_model_resize_filter")
#endif
public func quern_model_resize_filter(_ model: OpaquePointer?) -> UnsafePointer<CChar>? {
  guard let evaluation = ModelHandle.at(model)?.model.info.standard.evaluation else { return nil }
  let name: StaticString =
    switch evaluation.filter {
    case .bilinear: "bilinear"
    case .bicubic: "bicubic"
    case .lanczos: "lanczos"
    }
  return name.cString
}

#if compiler(>=6.3)
  @c(quern_model_architecture) @implementation
#else
  @_cdecl("quern_model_architecture")
#endif
public func quern_model_architecture(_ model: OpaquePointer?) -> UnsafePointer<CChar>? {
  ModelHandle.at(model)?.architecture.pointer
}

#if compiler(>=6.3)
  @c(quern_model_content_hash) @implementation
#else
  @_cdecl("quern_model_content_hash")
#endif
public func quern_model_content_hash(_ model: OpaquePointer?) -> UnsafePointer<CChar>? {
  ModelHandle.at(model)?.contentHash.pointer
}

#if compiler(>=6.3)
  @c(quern_model_format_version) @implementation
#else
  @_cdecl("quern_model_format_version")
#endif
public func quern_model_format_version(_ model: OpaquePointer?) -> UInt32 {
  guard let reader = ModelHandle.at(model)?.model.network.reader else { return 0 }
  return formatVersion((reader.majorVersion, reader.minorVersion))
}

#if compiler(>=6.3)
  @c(quern_model_metadata) @implementation
#else
  @_cdecl("quern_model_metadata")
#endif
public func quern_model_metadata(
  _ model: OpaquePointer?, _ json: UnsafeMutablePointer<UnsafePointer<CChar>?>?,
  _ byteCount: UnsafeMutablePointer<Int>?
) -> quern_status {
  status { () throws(Failure) in
    json?.pointee = nil
    byteCount?.pointee = 0
    guard let json else { throw .invalid("json is NULL") }
    let text = try ModelHandle.required(model).metadataText()
    json.pointee = text.pointer
    byteCount?.pointee = text.byteCount
  }
}

#if compiler(>=6.3)
  @c(quern_model_fidelity) @implementation
#else
  @_cdecl("quern_model_fidelity")
#endif
public func quern_model_fidelity(
  _ model: OpaquePointer?, _ index: Int, _ fidelity: UnsafeMutablePointer<quern_fidelity>?
) -> quern_status {
  status { () throws(Failure) in
    try quern_fidelity.check(fidelity, "fidelity")
    let model = try ModelHandle.required(model).model
    guard model.info.resolutions.indices.contains(index) else {
      throw .invalid("there is no size \(index); the package has \(model.info.resolutions.count)")
    }
    let stored: StoredFidelity
    do throws(InferenceError) { stored = try model.fidelity() } catch { throw Failure(error) }
    try quern_fidelity(stored, side: model.info.resolutions[index].side).write(to: fidelity, "fidelity")
  }
}
