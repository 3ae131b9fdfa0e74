#define _GNU_SOURCE
#include "CFiles.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

// A file system of this machine alone, where a lock that can be had means that no process holds it: other machines
// could write to those of a network, and not all of these share locks.
static int is_local(int descriptor) {
  struct statfs system;
  if (fstatfs(descriptor, &system) != 0) return 0;
  switch ((unsigned long)system.f_type & 0xffffffffUL) {
    case 0xef53UL:      // ext2, ext3, ext4
    case 0x58465342UL:  // XFS
    case 0x9123683eUL:  // Btrfs
    case 0xf2f52010UL:  // F2FS
    case 0x2fc12fc1UL:  // ZFS
    case 0xca451a4eUL:  // bcachefs
    case 0x01021994UL:  // tmpfs
    case 0x794c7630UL:  // overlayfs
      return 1;
    default: return 0;
  }
}

int quern_open_unnamed(const char *folder) {
  int descriptor = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0666);
  if (descriptor < 0) return -1;
  // It gets its name through this path, and is read by it.
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  struct stat named, opened;
  if (stat(path, &named) == 0 && fstat(descriptor, &opened) == 0 && named.st_dev == opened.st_dev &&
      named.st_ino == opened.st_ino) {
    flock(descriptor, LOCK_EX | LOCK_NB);
    return descriptor;
  }
  close(descriptor);
  errno = EOPNOTSUPP;
  return -1;
}

int quern_name_file(int descriptor, const char *name) {
  char path[32];
  snprintf(path, sizeof path, "/proc/self/fd/%d", descriptor);
  return linkat(AT_FDCWD, path, AT_FDCWD, name, AT_SYMLINK_FOLLOW);
}

int quern_open_path(const char *path) { return open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC); }

int quern_rename_new(const char *from, const char *to) {
  if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  // The file system or the kernel cannot do that, or a sandbox blocks the call. What else is wrong, rename says.
  if (errno == EEXIST) return -1;
  if (link(from, to) == 0) {
    unlink(from);
    return 0;
  }
  if (errno == EEXIST) return -1;
  struct stat status;
  if (lstat(to, &status) == 0) return errno = EEXIST, -1;
  return rename(from, to);
}

int quern_create_locked(const char *path) {
  int descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (descriptor < 0) return -1;
  // A file system without locks does not give them to the process that cleans up, either.
  struct stat status;
  while (flock(descriptor, LOCK_EX) != 0 && errno == EINTR) continue;
  // Another process may have had the lock first, and removed the file as one that nobody writes.
  if (fstat(descriptor, &status) == 0 && status.st_nlink == 0) {
    close(descriptor);
    errno = EEXIST;
    return -1;
  }
  return descriptor;
}

int quern_remove_abandoned(int folder, const char *name) {
  struct stat status, current;
  int descriptor = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return 0;
  int removed = 0;
  if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1 && status.st_uid == geteuid() &&
      is_local(descriptor) && flock(descriptor, LOCK_EX | LOCK_NB) == 0 &&
      fstatat(folder, name, &current, AT_SYMLINK_NOFOLLOW) == 0 && current.st_dev == status.st_dev &&
      current.st_ino == status.st_ino) {
    removed = unlinkat(folder, name, 0) == 0;
  }
  close(descriptor);
  return removed;
}
