#pragma once

// Opens a regular file that lies beneath an open folder, read-only. No component of the path may be a symbolic link or
// lead out of the folder: openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS, or, where the kernel has no openat2, one
// component at a time. Returns a descriptor, or -1 with errno set (ELOOP: a symbolic link; EXDEV: leaves the folder).
int quern_open_beneath(int folder, const char *path);

// The second of these ways, on its own; it refuses every "..", also one that stays in the folder.
int quern_walk_beneath(int folder, const char *path);
