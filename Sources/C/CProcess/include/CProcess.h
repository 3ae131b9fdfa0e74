#pragma once
#include <stddef.h>

// What the tool sets up as a process, before anything else. It is not part of libquern, which must leave signals and
// allocation to its host.

// The arguments as the kernel passed them to the program, with the program's name first. They need no file system:
// Swift reads them from /proc/self/cmdline.
int quern_argument_count(void);
const char *quern_argument(int index);

// Opens descriptors 0, 1 and 2 where they are closed, so that no file that is opened later is taken for one of them.
// What is opened fails when it is used: writing to a closed stdout gives EBADF, as if nothing had been opened. Also
// makes writing beyond RLIMIT_FSIZE fail with EFBIG, instead of ending the process by SIGXFSZ.
void quern_prepare_process(void);

// Ends the process with a message and `status` where an allocation fails and the caller, such as the Swift runtime,
// then aborts. Callers that handle the failure are left alone. `clean_up` must be async-signal-safe.
void quern_explain_lack_of_memory(int status, void (*clean_up)(void));
