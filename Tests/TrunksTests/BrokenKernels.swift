import CKernels
import Kernels
import Testing

/// Kernels of which one flips a bit of its first result, as a miscompiled one might. C functions have no state, so that
/// the kernels that they call are those of this machine.
enum BrokenKernels {
  /// A kernel set whose kernels of one family are wrong.
  struct Family: CustomTestStringConvertible, Sendable {
    let testDescription: String
    /// Networks that use the family.
    let trunks: [String]
    let kernels: @Sendable () -> KernelSet
  }

  private static let sound = KernelSet()

  private static func broken(_ change: (inout KernelSet) -> Void) -> KernelSet {
    var kernels = sound
    change(&kernels)
    return kernels
  }

  static let families: [Family] = [
    Family(testDescription: "igemm", trunks: ["senet", "resnet_d", "convnext", "densenet", "nasnet"]) {
      broken {
        $0.igemm.run = { args in
          sound.igemm.run(args)
          guard let args = args?.pointee, args.store == QUERN_STORE_U8 else { return }
          args.output.assumingMemoryBound(to: UInt8.self)[0] ^= 1
        }
      }
    },
    // The last of many channels only, so that few layers are wrong.
    Family(testDescription: "igemm, deep layers", trunks: ["resnet_d", "densenet"]) {
      broken {
        $0.igemm.run = { args in
          sound.igemm.run(args)
          guard let args = args?.pointee, args.store == QUERN_STORE_U8, args.taps * args.tap_bytes > 64 else { return }
          args.output.assumingMemoryBound(to: UInt8.self)[args.output_channels - 1] ^= 0x80
        }
      }
    },
    Family(testDescription: "depthwise", trunks: ["mobilenet_v2", "efficientnet", "convnext"]) {
      broken {
        $0.depthwise.run = { args in
          sound.depthwise.run(args)
          guard let args = args?.pointee, let output = args.output, args.output_f32 == nil else { return }
          output[0] ^= 1
        }
      }
    },
    Family(testDescription: "elementwise: add", trunks: ["nasnet"]) {
      broken {
        $0.elementwise.add = { a, za, ma, b, zb, mb, count, zero, low, high, result in
          sound.elementwise.add(a, za, ma, b, zb, mb, count, zero, low, high, result)
          result?[0] ^= 1
        }
      }
    },
    Family(testDescription: "elementwise: scale", trunks: ["senet", "regnet"]) {
      broken {
        $0.elementwise.scale = { args in
          sound.elementwise.scale(args)
          guard let args = args?.pointee, let result = args.output else { return }
          result[0] ^= 1
        }
      }
    },
    Family(testDescription: "pool: max", trunks: ["senet", "densenet", "nasnet"]) {
      broken {
        $0.pool.max_u8 = { x, offsets, rows, taps, channels, y, stride in
          sound.pool.max_u8(x, offsets, rows, taps, channels, y, stride)
          y?[0] ^= 1
        }
      }
    },
    Family(testDescription: "pool: sum", trunks: ["mobilenet_v3"]) {
      broken {
        $0.pool.sum_u8 = { x, count, stride, channels, sums in
          sound.pool.sum_u8(x, count, stride, channels, sums)
          sums?[0] ^= 1
        }
      }
    },
    Family(testDescription: "lookup", trunks: ["mobilenet_v3", "efficientnet", "convnext"]) {
      broken {
        $0.lookup.run = { args in
          sound.lookup.run(args)
          guard let args = args?.pointee, let output = args.output else { return }
          output[0] ^= 1
        }
      }
    },
    Family(testDescription: "rowlinear", trunks: ["senet", "mobilenet_v3", "densenet"]) {
      broken {
        $0.rowLinear.run = { args in
          sound.rowLinear.run(args)
          guard let args = args?.pointee, let output = args.output else { return }
          output[0] = output[0].nextUp
        }
      }
    },
    Family(testDescription: "layernorm", trunks: ["convnext", "convnextv2"]) {
      broken {
        $0.layerNorm.run = { args in
          sound.layerNorm.run(args)
          guard let args = args?.pointee else { return }
          if let output = args.output_f32 { output[0] = output[0].nextUp } else { args.output?[0] ^= 1 }
        }
      }
    },
    Family(testDescription: "fgemm", trunks: ["float"]) {
      broken {
        $0.fgemm.run = { args in
          sound.fgemm.run(args)
          guard let args = args?.pointee, let output = args.output else { return }
          output[0] = output[0].nextUp
        }
      }
    },
  ]
}
