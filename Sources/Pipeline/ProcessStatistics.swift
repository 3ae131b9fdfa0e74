import Glibc

/// Figures of the running process.
public enum ProcessStatistics {
  /// The greatest resident memory so far, in bytes.
  public static var peakResidentBytes: Int {
    var usage = rusage()
    getrusage(RUSAGE_SELF, &usage)
    return usage.ru_maxrss * 1024
  }
}
