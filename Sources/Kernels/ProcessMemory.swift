import CKernels

/// How the process treats its memory.
public enum ProcessMemory {
  /// Gives weights back to the system when the stage that needed them is over. Call once, before threads start.
  public static func returnWhenFreed() { quern_return_freed_memory() }
}
