#define _GNU_SOURCE
#include "CFiles.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FLAGS (O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)

// Opens one component at a time, each relative to the folder before it, without following links.
static int walk(int folder, char *path) {
  if (path[0] == '/') return errno = EXDEV, -1;
  int current = folder;
  char *rest = path;
  for (;;) {
    char *name = strsep(&rest, "/");
    if (strcmp(name, "..") == 0) {
      if (current != folder) close(current);
      return errno = EXDEV, -1;
    }
    int is_last = rest == NULL;
    int next = openat(current, *name ? name : ".",
                      is_last ? FLAGS | O_NOFOLLOW : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int error = errno;
    // O_DIRECTORY with O_NOFOLLOW reports a link as ENOTDIR.
    struct stat status;
    if (next < 0 && error == ENOTDIR && !fstatat(current, name, &status, AT_SYMLINK_NOFOLLOW) && S_ISLNK(status.st_mode)) {
      error = ELOOP;
    }
    if (current != folder) close(current);
    if (next < 0) return errno = error, -1;
    if (is_last) return next;
    current = next;
  }
}

int quern_walk_beneath(int folder, const char *path) {
  if (!*path) return errno = ENOENT, -1;
  char *copy = strdup(path);
  if (!copy) return -1;
  int descriptor = walk(folder, copy);
  int error = errno;
  free(copy);
  errno = error;
  return descriptor;
}

int quern_open_beneath(int folder, const char *path) {
  struct open_how how = {.flags = FLAGS, .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
  for (int attempt = 0; attempt < 16; attempt++) {
    long descriptor = syscall(SYS_openat2, folder, path, &how, sizeof how);
    if (descriptor >= 0) return (int)descriptor;
    if (errno == ENOSYS || errno == EPERM) break;  // an old kernel, or a sandbox that blocks the call
    if (errno != EAGAIN && errno != EINTR) return -1;
  }
  return quern_walk_beneath(folder, path);
}
