#pragma once
#include <stddef.h>

// Opens a file beneath an open folder, read-only. No component of the path may be a symbolic link or lead out of the
// folder. This uses openat2 with RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS; where openat2 is not available, the path is
// opened one component at a time. Returns a descriptor, or -1 with errno set (ELOOP: a symbolic link; EXDEV: leaves the
// folder).
int quern_open_beneath(int folder, const char *path);

// As above, always one component at a time. It refuses every "..", even if the path stays in the folder.
int quern_walk_beneath(int folder, const char *path);

// A copy of a text in which characters that a terminal would act on are written as hexadecimal bytes, such as "\x1B".
// To be freed; NULL where memory is lacking.
char *quern_printable_copy(const char *text);

// Remembers which file is mapped where, for the message of `quern_explain_bus_errors`. Returns a slot to forget it by,
// or -1 where the table is full or memory is lacking, in which case the message cannot name the file.
int quern_remember_mapping(const void *start, size_t length, const char *path);

// Forgets a mapping, before it is unmapped.
void quern_forget_mapping(int slot);

// Makes reading a mapped file that became shorter, or whose disk fails, end the process with a message that names the
// file, and with `status`, instead of by SIGBUS. `clean_up` must be async-signal-safe. Not for libraries.
void quern_explain_bus_errors(int status, void (*clean_up)(void));

// Writes a text to stderr. Async-signal-safe.
void quern_write_error(const char *text);

// Creates a file without a name in a folder, open for reading and writing and locked by flock. It vanishes with the
// process. Returns -1 with errno where the file system, or a system without /proc, cannot do that.
int quern_open_unnamed(const char *folder);

// Gives a file without a name one, which must not exist.
int quern_name_file(int descriptor, const char *name);

// Opens what a path names, a link included, without access to its contents. Returns -1 with errno.
int quern_open_path(const char *path);

// Renames a file to a path that nothing has, in one step where the file system can do that. Returns -1 with errno,
// which is EEXIST where there is something. That stays as it is.
int quern_rename_new(const char *from, const char *to);

// Creates a file that must not exist, open for reading and writing and locked by flock, which tells other processes
// that it is being written. Returns -1 with errno.
int quern_create_locked(const char *path);

// Removes a file of an open folder that no process writes any more: a regular file of this user with one name, on a
// file system of this machine, whose lock can be had. Returns whether it was removed.
int quern_remove_abandoned(int folder, const char *name);

// Whether a file is the root of a mount, so that no other file can be renamed to its path, as where a container shares
// one file with its host. 0 also where the system does not say so.
int quern_is_mount_point(const char *path);

// Whether a file is immutable or may only be appended to, or a folder only be added to (`chattr +i`, `chattr +a`), so
// that nobody can replace the file, or rename one in the folder. 0 also where the system does not say so.
int quern_is_fixed(const char *path);

// Whether this process may do with other users' files what their owners may (CAP_FOWNER): among others, replace them in
// folders with the sticky bit.
int quern_owns_all_files(void);

// Whether this process may access a file as `mode` says (R_OK, W_OK, X_OK); errno says why not.
int quern_may_access(const char *path, int mode);
