#pragma once

// Tells the core that this is a spin-wait loop.
static inline void quern_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

// The number of processors this process may run on: its affinity mask, not the machine.
int quern_available_processors(void);
