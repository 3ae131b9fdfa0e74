import Glibc

/// A copy of some values that ends where an inaccessible page begins, so that a kernel which reads or writes one element
/// too far crashes instead of passing.
final class GuardedBuffer<Element> {
  let pointer: UnsafeMutablePointer<Element>
  let count: Int
  private let mapping: UnsafeMutableRawPointer
  private let mappedBytes: Int

  init(_ values: [Element]) {
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let bytes = values.count * MemoryLayout<Element>.stride
    let usable = (bytes + page - 1) / page * page
    mappedBytes = usable + page
    guard
      let address = mmap(nil, mappedBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
      address != MAP_FAILED, mprotect(address + usable, page, PROT_NONE) == 0
    else { fatalError("no memory for a test buffer: errno \(errno)") }
    mapping = address
    count = values.count
    pointer = (address + usable - bytes).bindMemory(to: Element.self, capacity: values.count)
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { pointer.update(from: base, count: source.count) }
    }
  }

  var values: [Element] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  deinit { munmap(mapping, mappedBytes) }
}

/// Where two results first differ, bit for bit except that all NaN are alike; nil if nowhere.
func firstDifference<Value: Equatable>(_ result: [Value], _ expected: [Value]) -> String? {
  guard result.count == expected.count else { return "\(result.count) values instead of \(expected.count)" }
  for index in result.indices where !same(result[index], expected[index]) {
    return "element \(index): \(result[index]) instead of \(expected[index])"
  }
  return nil
}

private func same<Value: Equatable>(_ a: Value, _ b: Value) -> Bool {
  if let a = a as? Float, let b = b as? Float { return a.bitPattern == b.bitPattern || a.isNaN && b.isNaN }
  return a == b
}
