import Glibc

/// Figures of the running process.
public enum ProcessStatistics {
  /// The greatest resident memory so far, in bytes.
  public static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
    return usage.ru_maxrss * 1024
  }
}
