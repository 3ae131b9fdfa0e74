import CKernels

/// The kernels for a set of CPU features: from each family, the first tier of its table whose instruction sets it
/// contains.
///
/// The headers of `CKernels` define what each family computes. A kernel can be replaced by another one, such as one
/// that is wrong on purpose.
package struct KernelSet: @unchecked Sendable {
  /// The instruction sets that the kernels may use.
  package let features: CPUFeatures
  /// Int8 matrix products (quern_igemm.h).
  package var igemm: quern_igemm_kernel
  /// Float32 matrix products (quern_fgemm.h).
  package var fgemm: quern_fgemm_kernel
  /// Int8 depthwise convolutions (quern_depthwise.h).
  package var depthwise: quern_depthwise_kernel
  /// Float32 depthwise convolutions (quern_depthwise_f32.h).
  package var depthwiseFloat: quern_depthwise_f32_kernel
  /// Sums, scalings and conversions of maps (quern_elementwise.h).
  package var elementwise: quern_elementwise_kernel
  /// Functions of bytes by tables of 256 entries (quern_lookup.h).
  package var lookup: quern_lookup_kernel
  /// Pooling (quern_pool.h).
  package var pool: quern_pool_kernel
  /// Float32 activations times int8 weights (quern_rowlinear.h).
  package var rowLinear: quern_rowlinear_kernel
  /// Layer normalisation (quern_layernorm.h).
  package var layerNorm: quern_layernorm_kernel
  /// The transforms of Winograd's filtering (quern_winograd.h).
  package var winograd: quern_winograd_kernel
  /// Histograms of float32 values (quern_histogram.h).
  package var histogram: quern_histogram_kernel
  /// Second moments of bytes (quern_moments.h).
  package var moments: quern_moments_kernel

  /// The best kernels for `features`. The empty set gives the scalar references, which all tiers agree with bit for
  /// bit.
  package init(features: CPUFeatures = .current) {
    self.features = features
    igemm = best(quern_igemm_kernels, quern_igemm_kernel_count, features) { $0.needed_features }
    fgemm = best(quern_fgemm_kernels, quern_fgemm_kernel_count, features) { $0.needed_features }
    depthwise = best(quern_depthwise_kernels, quern_depthwise_kernel_count, features) { $0.needed_features }
    depthwiseFloat = best(quern_depthwise_f32_kernels, quern_depthwise_f32_kernel_count, features) {
      $0.needed_features
    }
    elementwise = best(quern_elementwise_kernels, quern_elementwise_kernel_count, features) { $0.needed_features }
    lookup = best(quern_lookup_kernels, quern_lookup_kernel_count, features) { $0.needed_features }
    pool = best(quern_pool_kernels, quern_pool_kernel_count, features) { $0.needed_features }
    rowLinear = best(quern_rowlinear_kernels, quern_rowlinear_kernel_count, features) { $0.needed_features }
    layerNorm = best(quern_layernorm_kernels, quern_layernorm_kernel_count, features) { $0.needed_features }
    winograd = best(quern_winograd_kernels, quern_winograd_kernel_count, features) { $0.needed_features }
    histogram = best(quern_histogram_kernels, quern_histogram_kernel_count, features) { $0.needed_features }
    moments = best(quern_moments_kernels, quern_moments_kernel_count, features) { $0.needed_features }
  }

  /// Kernels that are exact for int8 weights of -128, too: on Arm processors without dot products, the scalar ones,
  /// because two products of 128 * 128 do not fit the int16 that the others add them in.
  package var forAllWeights: KernelSet {
    features.contains(.neon) && !features.contains(.neonDot) ? KernelSet(features: []) : self
  }

  /// The names of the kernels in use, such as "igemm: avx512vnni".
  package var names: [String] {
    [
      "igemm: \(String(cString: igemm.name))", "fgemm: \(String(cString: fgemm.name))",
      "depthwise: \(String(cString: depthwise.name))", "depthwise_f32: \(String(cString: depthwiseFloat.name))",
      "elementwise: \(String(cString: elementwise.name))", "pool: \(String(cString: pool.name))",
      "rowlinear: \(String(cString: rowLinear.name))", "winograd: \(String(cString: winograd.name))",
      "lookup: \(String(cString: lookup.name))", "histogram: \(String(cString: histogram.name))",
      "moments: \(String(cString: moments.name))", "layernorm: \(String(cString: layerNorm.name))",
    ]
  }
}

/// The last row of every table is the scalar tier, which needs no instruction set.
private func best<Kernel>(
  _ table: UnsafePointer<Kernel>, _ count: Int, _ features: CPUFeatures, _ neededFeatures: (Kernel) -> UInt32
) -> Kernel {
  for index in 0..<count where neededFeatures(table[index]) & ~features.rawValue == 0 { return table[index] }
  return table[count - 1]
}
