// Clock.swift — seconds for reports

import Glibc

/// Seconds since an arbitrary moment, never going back.
public func monotonicSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_MONOTONIC, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
}
