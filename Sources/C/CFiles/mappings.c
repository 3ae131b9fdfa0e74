#define _GNU_SOURCE
#include "CFiles.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CAPACITY = 1024, FREE = 0, CHANGING = 1, USED = 2 };

// A signal handler may neither lock nor allocate, so that this is a table of fixed size.
static struct {
  atomic_int state;
  uintptr_t start;
  size_t length;
  char *path;
} mappings[CAPACITY];

int quern_remember_mapping(const void *start, size_t length, const char *path) {
  char *copy = strdup(path);
  if (!copy) return -1;
  for (int slot = 0; slot < CAPACITY; slot++) {
    int expected = FREE;
    if (!atomic_compare_exchange_strong(&mappings[slot].state, &expected, CHANGING)) continue;
    mappings[slot].start = (uintptr_t)start;
    mappings[slot].length = length;
    mappings[slot].path = copy;
    atomic_store(&mappings[slot].state, USED);
    return slot;
  }
  free(copy);
  return -1;
}

void quern_forget_mapping(int slot) {
  if (slot < 0 || slot >= CAPACITY) return;
  atomic_store(&mappings[slot].state, CHANGING);
  free(mappings[slot].path);
  atomic_store(&mappings[slot].state, FREE);
}

static int bus_status;
static void (*bus_clean_up)(void);

void quern_write_error(const char *text) {
  for (size_t left = strlen(text); left > 0;) {
    ssize_t count = write(STDERR_FILENO, text, left);
    if (count <= 0) return;
    text += count;
    left -= (size_t)count;
  }
}

static void explain(int number, siginfo_t *info, void *context) {
  (void)context;
  uintptr_t address = (uintptr_t)info->si_addr;
  for (int slot = 0; info->si_code > 0 && slot < CAPACITY; slot++) {
    if (atomic_load(&mappings[slot].state) != USED) continue;
    // The last page goes on beyond the end of the file.
    if (address < mappings[slot].start || address - mappings[slot].start >= mappings[slot].length) continue;
    quern_write_error("quern: error: ");
    quern_write_error(mappings[slot].path);
    quern_write_error(": cannot be read any more: it became shorter during the run, or its disk failed\n");
    if (bus_clean_up) bus_clean_up();
    _exit(bus_status);
  }
  // Something else: returning ends the process by the signal.
  signal(number, SIG_DFL);
  if (info->si_code <= 0) raise(number);
}

void quern_explain_bus_errors(int status, void (*clean_up)(void)) {
  bus_status = status;
  bus_clean_up = clean_up;
  struct sigaction action = {.sa_sigaction = explain, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, NULL);
}
