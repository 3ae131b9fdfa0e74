#define _GNU_SOURCE
#include "CFiles.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
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

/// The bytes of the character at `text` if a terminal would act on it; 0 for others. Besides ASCII's these are the
/// control characters of Latin-1, and those that end lines or change the direction of text in Unicode.
/// `PrintableText` knows more, by Swift's tables of Unicode, which libquern does without.
static size_t control_length(const unsigned char *text) {
  if (text[0] < 0x20 || text[0] == 0x7F) return 1;
  if (text[0] == 0xC2) return text[1] >= 0x80 && text[1] <= 0x9F ? 2 : 0;
  if (text[0] != 0xE2) return 0;
  if (text[1] == 0x80) {
    return text[2] == 0x8E || text[2] == 0x8F || (text[2] >= 0xA8 && text[2] <= 0xAE) ? 3 : 0;
  }
  return text[1] == 0x81 && text[2] >= 0xA6 && text[2] <= 0xA9 ? 3 : 0;
}

char *quern_printable_copy(const char *text) {
  char *copy = malloc(4 * strlen(text) + 1);
  if (!copy) return NULL;
  char *end = copy;
  for (const unsigned char *next = (const unsigned char *)text; *next;) {
    size_t control = control_length(next);
    if (control == 0) *end++ = (char)*next++;
    for (; control > 0; control--, next++) end += sprintf(end, "\\x%02X", *next);
  }
  *end = 0;
  return copy;
}

int quern_remember_mapping(const void *start, size_t length, const char *path) {
  char *copy = quern_printable_copy(path);
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
