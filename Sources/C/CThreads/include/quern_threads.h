#pragma once

// Tells the core that this is a spin-wait loop.
static inline void quern_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// The number of processors that this process may run on, by its affinity mask.
int quern_available_processors(void);

enum { QUERN_MESSAGE_CAPACITY = 1024 };

// The calling thread's memory for a message, QUERN_MESSAGE_CAPACITY bytes, which are zero at first. Swift has no
// variables of a thread.
char *quern_thread_message(void);
