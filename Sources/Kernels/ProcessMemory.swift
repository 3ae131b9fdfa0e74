import CKernels

/// Settings of the process's memory allocator.
package enum ProcessMemory {
  /// Makes the C library return large blocks, such as weights, to the system when they are freed. Call it once, before
  /// threads start.
  package static func returnWhenFreed() { quern_return_freed_memory() }

  /// Makes packed weights share large pages, which are mapped faster. They suit processes that free the weights of a
  /// network together. It may be called several times, and by several threads.
  package static func shareLargePages() { quern_share_large_pages() }
}
