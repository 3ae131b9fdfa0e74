import CKernels

/// The kernels chosen for a set of CPU features: from each family's table, the first row whose needs are met.
package struct KernelSet: @unchecked Sendable {
  package let features: CPUFeatures
  package let igemm: quern_igemm_kernel
  package let fgemm: quern_fgemm_kernel
  package let depthwise: quern_depthwise_kernel
  package let depthwiseFloat: quern_depthwise_f32_kernel
  package let elementwise: quern_elementwise_kernel
  package let lookup: quern_lookup_kernel
  package let pool: quern_pool_kernel
  package let rowLinear: quern_rowlinear_kernel
  package let winograd: quern_winograd_kernel
  package let histogram: quern_histogram_kernel
  package let moments: quern_moments_kernel

  /// The best kernels for `features`; with none, the scalar references, which every tier equals bit for bit.
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
    winograd = best(quern_winograd_kernels, quern_winograd_kernel_count, features) { $0.needed_features }
    histogram = best(quern_histogram_kernels, quern_histogram_kernel_count, features) { $0.needed_features }
    moments = best(quern_moments_kernels, quern_moments_kernel_count, features) { $0.needed_features }
  }

  /// Names of the kernels in use, "igemm: avx512vnni" and so on.
  package var names: [String] {
    [
      "igemm: \(String(cString: igemm.name))", "fgemm: \(String(cString: fgemm.name))",
      "depthwise: \(String(cString: depthwise.name))", "depthwise_f32: \(String(cString: depthwiseFloat.name))",
      "elementwise: \(String(cString: elementwise.name))", "pool: \(String(cString: pool.name))",
      "rowlinear: \(String(cString: rowLinear.name))", "winograd: \(String(cString: winograd.name))",
      "lookup: \(String(cString: lookup.name))", "histogram: \(String(cString: histogram.name))",
      "moments: \(String(cString: moments.name))",
    ]
  }
}

/// The last row of every table is the scalar one, which needs nothing.
private func best<Kernel>(
  _ table: UnsafePointer<Kernel>, _ count: Int, _ features: CPUFeatures, _ needs: (Kernel) -> UInt32
) -> Kernel {
  for index in 0..<count where needs(table[index]) & ~features.rawValue == 0 { return table[index] }
  return table[count - 1]
}
