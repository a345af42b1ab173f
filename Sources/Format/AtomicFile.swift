// AtomicFile.swift — files written whole or not at all, and read whole
//
// Writing goes to a temporary file in the same folder, to the disk, and then takes the name it is
// meant for in one step. Whatever fails on the way leaves an older file untouched.

import Glibc
import Kernels

private func failure(_ action: String, _ path: String, _ code: Int32 = errno) -> FileError {
  FileError(path: path, action: action, reason: String(cString: strerror(code)))
}

/// Calls a function of the system again while a signal interrupts it.
private func retrying<T: SignedInteger>(_ call: () -> T) -> T {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}

/// Writes a file.
///
/// A symbolic link keeps pointing where it does: the file that it names is replaced.
///
/// - Parameter body: is given a sink for the file's bytes, piece by piece.
func writeAtomically(
  path: String, _ body: ((UnsafeRawBufferPointer) throws -> Void) throws -> Void
) throws {
  let target = try resolve(path)
  var permissions = mode_t(0o666)
  var isReplacing = false
  var existing = stat()
  if stat(target, &existing) == 0 {
    guard existing.st_mode & S_IFMT == S_IFREG else {
      throw FileError(path: path, action: "write", reason: "it is not a regular file")
    }
    permissions = existing.st_mode & 0o7777
    isReplacing = true
  }
  let name = ".refrain-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).tmp"
  let temporary = (folder(of: target) == "/" ? "" : folder(of: target)) + "/" + name
  let file = retrying {
    open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, permissions & 0o777)
  }
  guard file >= 0 else { throw failure("write", path) }
  do {
    if isReplacing, fchmod(file, permissions) != 0 { throw failure("write", path) }
    try withFileSizeSignalBlocked { try body { try writeAll($0, to: file, path) } }
    guard retrying({ fsync(file) }) == 0 else { throw failure("write", path) }
  } catch {
    close(file)
    unlink(temporary)
    throw error
  }
  guard close(file) == 0 else {
    let error = failure("write", path)
    unlink(temporary)
    throw error
  }
  guard rename(temporary, target) == 0 else {
    let error = failure("write", path)
    unlink(temporary)
    throw error
  }
  syncFolder(of: target)
}

/// The file that a path stands for, links followed; the path itself if there is none yet. A link
/// that leads nowhere is refused: what it should name is not ours to decide.
private func resolve(_ path: String) throws -> String {
  guard !path.isEmpty else { throw failure("write", "''", ENOENT) }
  if let resolved = realpath(path, nil) {
    defer { free(resolved) }
    return String(cString: resolved)
  }
  let code = errno
  var link = stat()
  guard lstat(path, &link) != 0 else { throw failure("write", path, code) }
  return path
}

private func folder(of path: String) -> String {
  path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
}

private func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32, _ path: String) throws {
  var rest = bytes[...]
  while !rest.isEmpty {
    let piece = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 24))
    let written = retrying { write(file, piece.baseAddress, piece.count) }
    guard written > 0 else { throw failure("write", path, written == 0 ? ENOSPC : errno) }
    rest = rest.dropFirst(written)
  }
}

/// Passing the limit on file sizes raises SIGXFSZ, which would end the host: blocked here, so that
/// the write fails instead, and taken back if it became pending.
private func withFileSizeSignalBlocked(_ body: () throws -> Void) rethrows {
  var signals = sigset_t()
  var before = sigset_t()
  var pending = sigset_t()
  sigemptyset(&signals)
  sigaddset(&signals, SIGXFSZ)
  sigpending(&pending)
  let wasPending = sigismember(&pending, SIGXFSZ) == 1
  pthread_sigmask(SIG_BLOCK, &signals, &before)
  defer {
    if !wasPending {
      var now = timespec()
      while sigtimedwait(&signals, nil, &now) == -1 && errno == EINTR {}
    }
    pthread_sigmask(SIG_SETMASK, &before, nil)
  }
  try body()
}

/// Makes the new name durable. A file system that cannot do so has done what it can.
private func syncFolder(of path: String) {
  let file = open(folder(of: path), O_RDONLY | O_DIRECTORY | O_CLOEXEC)
  guard file >= 0 else { return }
  fsync(file)
  close(file)
}

/// Reads a regular file into memory.
///
/// Read rather than mapped: a mapped file that someone cuts short would raise SIGBUS in the host.
func readFile(path: String) throws -> (memory: AlignedBuffer<UInt8>, count: Int) {
  let file = retrying { open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) }
  guard file >= 0 else { throw failure("read", path) }
  defer { close(file) }
  var status = stat()
  guard fstat(file, &status) == 0 else { throw failure("read", path) }
  guard status.st_mode & S_IFMT == S_IFREG else {
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    throw FileError(
      path: path, action: "read", reason: isFolder ? "it is a folder" : "it is not a regular file")
  }
  let memory = try AlignedBuffer<UInt8>(count: Int(status.st_size))
  var count = 0
  while count < memory.count {
    let part = retrying { read(file, memory.pointer + count, min(memory.count - count, 1 << 24)) }
    guard part >= 0 else { throw failure("read", path) }
    if part == 0 { break }
    count += part
  }
  var beyond: UInt8 = 0
  guard count == memory.count, retrying({ read(file, &beyond, 1) }) == 0 else {
    throw FileError(path: path, action: "read", reason: "it changed while it was read")
  }
  return (memory, count)
}
