import Tensors
import Testing

@Suite struct TensorTests {
  @Test func permutedViewIsReadInItsOwnOrder() {
    let tensor = Tensor((0..<6).map(Float.init), shape: [2, 3])
    #expect(tensor.permuted([1, 0]).elements(as: Float.self) == [0, 3, 1, 4, 2, 5])
  }

  @Test func scaledRowsAreReadScaledInAnyOrderOfTheOtherAxes() {
    let tensor = Tensor((0..<12).map(Float.init), shape: [2, 2, 3]).permuted([0, 2, 1])
    let scaled = tensor.scalingRows(by: [2, 0.1])
    let expected = [0, 6, 2, 8, 4, 10] + [6, 9, 7, 10, 8, 11].map { Float(Double($0 as Float) * 0.1) }
    #expect(!scaled.isContiguous)
    #expect(scaled.elements(as: Float.self) == expected)
    #expect(scaled.contiguous().isContiguous)
    #expect(scaled.permuted([0, 2, 1]).elements(as: Float.self)[..<6] == [0, 2, 4, 6, 8, 10])
    #expect(scaled.permuted([1, 2, 0]).elements(as: Float.self)[..<2] == [expected[0], expected[6]])
    // Rounded after each scaling.
    #expect(scaled.scalingRows(by: [1, 10]).elements(as: Float.self)[6] == Float(Double(expected[6]) * 10))
  }

  @Test func viewBeyondItsStorageIsRefused() {
    let storage = TensorStorage(byteCount: 8) { $0.initializeMemory(as: UInt8.self, repeating: 0) }
    #expect(Tensor(elementType: .float32, shape: [2], storage: storage, byteOffset: 0) != nil)
    #expect(Tensor(elementType: .float32, shape: [2], storage: storage, byteOffset: 1) == nil)
    #expect(Tensor(elementType: .float32, shape: [Int.max, 4], storage: storage, byteOffset: 0) == nil)
    #expect(Tensor(elementType: .float32, shape: [2], strides: [Int.max], storage: storage, byteOffset: 0) == nil)
  }

  @Test(arguments: [[0, Int.max, Int.max], [Int.max, Int.max, 0]])
  func emptyTensorOfHugeExtentsIsHarmless(dimensions: [Int]) throws {
    let storage = TensorStorage(byteCount: 0) { _ in }
    let shape = Shape(dimensions)
    let tensor = try #require(Tensor(elementType: .float32, shape: shape, storage: storage, byteOffset: 0))
    #expect(tensor.contiguous().elements(as: Float.self).isEmpty)
  }

  @Test(arguments: [0x0001, 0x8001, 0x3C00, 0x7BFF, 0xFC00] as [UInt16])
  func halfPrecisionBitPatterns(bits: UInt16) {
    let expected: [UInt16: Float] = [
      0x0001: 0x1p-24, 0x8001: -0x1p-24, 0x3C00: 1, 0x7BFF: 65504, 0xFC00: -.infinity,
    ]
    #expect(Float(halfBits: bits) == expected[bits])
  }
}

@Suite struct QuantizationParametersTests {
  @Test func rangeIsWidenedToZeroWhichIsExact() {
    let parameters = QuantizationParameters(covering: 0.5, 2.55)
    #expect(parameters.zeroPoint == 0)
    #expect(abs(parameters.scale - 0.01) < 1e-7)
    #expect(parameters.dequantize(parameters.quantize(0)) == 0)
  }

  @Test func emptyRangeHasUnitScale() {
    #expect(QuantizationParameters(covering: 0, 0).scale == 1)
  }
}
