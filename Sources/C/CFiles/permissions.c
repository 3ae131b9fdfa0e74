#define _GNU_SOURCE
#include "CFiles.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
// Without <sys/stat.h>, as some C libraries define the same structure there.
#include <linux/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// Attributes that headers of an earlier kernel do not have.
enum { IMMUTABLE = 0x10, APPEND = 0x20, MOUNT_ROOT = 0x2000 };

// Those that the kernel and the file system both know, and the file has.
static unsigned long long attributes(const char *path) {
#if defined(SYS_statx) && defined(STATX_TYPE)
  struct statx status;
  if (syscall(SYS_statx, AT_FDCWD, path, 0, STATX_TYPE, &status) == 0) {
    return status.stx_attributes & status.stx_attributes_mask;
  }
#else
  (void)path;
#endif
  return 0;  // an old kernel, or a sandbox that blocks the call
}

int quern_is_mount_point(const char *path) { return (attributes(path) & MOUNT_ROOT) != 0; }

int quern_is_fixed(const char *path) { return (attributes(path) & (IMMUTABLE | APPEND)) != 0; }

int quern_owns_all_files(void) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
  if (syscall(SYS_capget, &header, data) != 0) return geteuid() == 0;
  return (data[CAP_TO_INDEX(CAP_FOWNER)].effective & CAP_TO_MASK(CAP_FOWNER)) != 0;
}

int quern_may_access(const char *path, int mode) {
  if (access(path, mode) == 0) return 1;
  int error = errno;
  // The call above leaves out the capabilities of users other than root. This one is blocked by some sandboxes.
  int may = faccessat(AT_FDCWD, path, mode, AT_EACCESS) == 0;
  errno = error;
  return may;
}
