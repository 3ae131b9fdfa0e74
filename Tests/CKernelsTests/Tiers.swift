import CKernels
import Testing

/// The rows of a family's table that this machine runs, best first; the others are reported by name.
func runnable<Kernel>(
  _ family: String, _ table: UnsafePointer<Kernel>, _ count: Int, name: KeyPath<Kernel, UnsafePointer<CChar>?>,
  needs: KeyPath<Kernel, UInt32>
) -> [(name: String, kernel: Kernel)] {
  let features = quern_cpu_features()
  return (0..<count).compactMap { index in
    let kernel = table[index]
    let title = kernel[keyPath: name].map { String(cString: $0) } ?? "?"
    guard kernel[keyPath: needs] & ~features == 0 else {
      print("skipped: \(family) tier \(title) needs processor features that this machine lacks")
      return nil
    }
    return (title, kernel)
  }
}

let igemmTiers: [(name: String, kernel: quern_igemm_kernel)] =
  runnable("igemm", quern_igemm_kernels, quern_igemm_kernel_count, name: \.name, needs: \.needed_features)

let fgemmTiers: [(name: String, kernel: quern_fgemm_kernel)] =
  runnable("fgemm", quern_fgemm_kernels, quern_fgemm_kernel_count, name: \.name, needs: \.needed_features)

let depthwiseTiers: [(name: String, kernel: quern_depthwise_kernel)] =
  runnable("depthwise", quern_depthwise_kernels, quern_depthwise_kernel_count, name: \.name, needs: \.needed_features)

let depthwiseFloatTiers: [(name: String, kernel: quern_depthwise_f32_kernel)] =
  runnable(
    "depthwise_f32", quern_depthwise_f32_kernels, quern_depthwise_f32_kernel_count, name: \.name,
    needs: \.needed_features)

let elementwiseTiers: [(name: String, kernel: quern_elementwise_kernel)] =
  runnable(
    "elementwise", quern_elementwise_kernels, quern_elementwise_kernel_count, name: \.name, needs: \.needed_features)

let layerNormTiers: [(name: String, kernel: quern_layernorm_kernel)] =
  runnable("layernorm", quern_layernorm_kernels, quern_layernorm_kernel_count, name: \.name, needs: \.needed_features)

let lookupTiers: [(name: String, kernel: quern_lookup_kernel)] =
  runnable("lookup", quern_lookup_kernels, quern_lookup_kernel_count, name: \.name, needs: \.needed_features)

let poolTiers: [(name: String, kernel: quern_pool_kernel)] =
  runnable("pool", quern_pool_kernels, quern_pool_kernel_count, name: \.name, needs: \.needed_features)

let rowlinearTiers: [(name: String, kernel: quern_rowlinear_kernel)] =
  runnable("rowlinear", quern_rowlinear_kernels, quern_rowlinear_kernel_count, name: \.name, needs: \.needed_features)

let histogramTiers: [(name: String, kernel: quern_histogram_kernel)] =
  runnable("histogram", quern_histogram_kernels, quern_histogram_kernel_count, name: \.name, needs: \.needed_features)

let momentsTiers: [(name: String, kernel: quern_moments_kernel)] =
  runnable("moments", quern_moments_kernels, quern_moments_kernel_count, name: \.name, needs: \.needed_features)

let winogradTiers: [(name: String, kernel: quern_winograd_kernel)] =
  runnable("winograd", quern_winograd_kernels, quern_winograd_kernel_count, name: \.name, needs: \.needed_features)

@Suite struct TierTests {
  @Test func scalarIsLastAndNeedsNothing() throws {
    #expect(try #require(igemmTiers.last).name == "scalar")
    #expect(try #require(fgemmTiers.last).name == "scalar")
    #expect(try #require(depthwiseTiers.last).name == "scalar")
    #expect(try #require(depthwiseFloatTiers.last).name == "scalar")
    #expect(try #require(elementwiseTiers.last).name == "scalar")
    #expect(try #require(layerNormTiers.last).name == "scalar")
    #expect(try #require(lookupTiers.last).name == "scalar")
    #expect(try #require(poolTiers.last).name == "scalar")
    #expect(try #require(rowlinearTiers.last).name == "scalar")
    #expect(try #require(histogramTiers.last).name == "scalar")
    #expect(try #require(momentsTiers.last).name == "scalar")
    #expect(try #require(winogradTiers.last).name == "scalar")
  }

  @Test func vectorTiersImplyTheirBase() {
    let features = Int(quern_cpu_features())
    if features & QUERN_CPU_AVX512_VNNI != 0 { #expect(features & QUERN_CPU_AVX512 != 0) }
    if features & QUERN_CPU_AVX512_VBMI != 0 { #expect(features & QUERN_CPU_AVX512 != 0) }
    if features & QUERN_CPU_AVX512 != 0 { #expect(features & QUERN_CPU_AVX2 != 0) }
    if features & QUERN_CPU_NEON_DOT != 0 { #expect(features & QUERN_CPU_NEON != 0) }
  }
}
