import CKernels

/// Settings of the process's memory allocator.
package enum ProcessMemory {
  /// Makes the C library return large blocks, such as weights, to the system when they are freed. Call it once, before
  /// threads start.
  package static func returnWhenFreed() { quern_return_freed_memory() }
}
