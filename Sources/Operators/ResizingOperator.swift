import Graphs
import Tensors
import Threads

/// Resizes one line of the output at a time.
struct ResizingOperator: PreparedOperator {
  let op: Resizing
  let isFloat: Bool

  func plan(inputs: [Shape], output: Shape, context: PlanningContext) -> any PlannedOperator {
    Planned(
      rows: context.makesTables ? op.taps(input: inputs[0].height, output: output.height) : [],
      columns: context.makesTables ? op.taps(input: inputs[0].width, output: output.width) : [],
      isBilinear: op.interpolation == .bilinear, isFloat: isFloat, input: inputs[0], output: output)
  }

  private struct Planned: PlannedOperator {
    let rows: [Resizing.Tap]
    let columns: [Resizing.Tap]
    let isBilinear: Bool
    let isFloat: Bool
    let input: Shape
    let output: Shape
    let scratchByteCount = 0

    func run(_ buffers: OperatorBuffers, team: ThreadTeam) {
      team.forEach(output.batch * output.height, with: (plan: self, buffers: buffers)) { state, line, _ in
        state.plan.compute(line, state.buffers)
      }
    }

    private func compute(_ line: Int, _ buffers: OperatorBuffers) {
      let (image, row) = (line / output.height, rows[line % output.height])
      let lineSize = input.width * input.channels
      let (first, second) = (image * input.height + row.first, image * input.height + row.second)
      let target = line * output.width * output.channels
      if !isBilinear {
        copy(buffers, from: first * lineSize, to: target)
      } else if isFloat {
        let map = buffers.inputs[0].assumingMemoryBound(to: Float.self)
        interpolate(
          map + first * lineSize, map + second * lineSize, Float(row.weight),
          buffers.output.assumingMemoryBound(to: Float.self) + target)
      } else {
        let map = buffers.inputs[0].assumingMemoryBound(to: UInt8.self)
        interpolate(
          map + first * lineSize, map + second * lineSize, row.fixedWeight,
          buffers.output.assumingMemoryBound(to: UInt8.self) + target)
      }
    }

    private func copy(_ buffers: OperatorBuffers, from source: Int, to target: Int) {
      let pixel = output.channels * (isFloat ? MemoryLayout<Float>.stride : 1)
      let size = isFloat ? MemoryLayout<Float>.stride : 1
      let (line, output) = (buffers.inputs[0] + source * size, buffers.output + target * size)
      for (index, column) in columns.enumerated() {
        (output + index * pixel).copyMemory(from: line + column.first * pixel, byteCount: pixel)
      }
    }

    private func interpolate(
      _ top: UnsafePointer<Float>, _ bottom: UnsafePointer<Float>, _ weight: Float,
      _ output: UnsafeMutablePointer<Float>
    ) {
      let channels = self.output.channels
      for (index, column) in columns.enumerated() {
        let (left, right) = (column.first * channels, column.second * channels)
        let (w, target) = (Float(column.weight), output + index * channels)
        for channel in 0..<channels {
          let above = top[left + channel] * (1 - w) + top[right + channel] * w
          let below = bottom[left + channel] * (1 - w) + bottom[right + channel] * w
          target[channel] = above * (1 - weight) + below * weight
        }
      }
    }

    private func interpolate(
      _ top: UnsafePointer<UInt8>, _ bottom: UnsafePointer<UInt8>, _ weight: UInt32,
      _ output: UnsafeMutablePointer<UInt8>
    ) {
      let channels = self.output.channels
      for (index, column) in columns.enumerated() {
        let (left, right) = (column.first * channels, column.second * channels)
        let (w, target) = (column.fixedWeight, output + index * channels)
        for channel in 0..<channels {
          // At most 255 * 2^24, which fits 32 bits.
          let above = UInt32(top[left + channel]) &* (4096 &- w) &+ UInt32(top[right + channel]) &* w
          let below = UInt32(bottom[left + channel]) &* (4096 &- w) &+ UInt32(bottom[right + channel]) &* w
          let sum = above &* (4096 &- weight) &+ below &* weight
          // Half a level is added, less 2^-24 where that keeps a tie at the even level below.
          target[channel] = UInt8(truncatingIfNeeded: (sum &+ 0x7f_ffff &+ (sum >> 24 & 1)) >> 24)
        }
      }
    }
  }
}

extension Resizing.Tap {
  /// The weight of the second pixel in 1/4096, ties to even.
  var fixedWeight: UInt32 { UInt32((weight * 4096).rounded(.toNearestOrEven)) }
}
