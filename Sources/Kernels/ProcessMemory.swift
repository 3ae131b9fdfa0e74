import CKernels

/// How the process treats its memory.
package enum ProcessMemory {
  /// Gives weights back to the system when the stage that needed them is over. Call once, before threads start.
  package static func returnWhenFreed() { quern_return_freed_memory() }
}
