#pragma once

// Opens a file beneath an open folder, read-only. No component of the path may be a symbolic link or lead out of the
// folder. This uses openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; where openat2 is not available, the path is
// opened one component at a time. Returns a descriptor, or -1 with errno set (ELOOP: a symbolic link; EXDEV: leaves the
// folder).
int quern_open_beneath(int folder, const char *path);

// As above, always one component at a time. It refuses every "..", even if the path stays in the folder.
int quern_walk_beneath(int folder, const char *path);
