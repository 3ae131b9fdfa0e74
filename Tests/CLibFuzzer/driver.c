#include "CLibFuzzer.h"

int LLVMFuzzerRunDriver(int *count, char ***arguments, int (*run)(const uint8_t *data, size_t size));
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t limit);

static quern_fuzz_run run_input;
static quern_fuzz_mutate mutate_input;

static int run_one(const uint8_t *data, size_t size) {
  run_input(data, size);
  return 0;
}

// libFuzzer finds this function by its name.
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t limit, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t limit, unsigned seed) {
  return mutate_input(data, size, limit, seed);
}

int quern_fuzz_main(int count, char **arguments, quern_fuzz_run run, quern_fuzz_mutate mutate) {
  run_input = run;
  mutate_input = mutate;
  return LLVMFuzzerRunDriver(&count, &arguments, run_one);
}

size_t quern_fuzz_mutate_bytes(uint8_t *data, size_t size, size_t limit) {
  return LLVMFuzzerMutate(data, size, limit);
}
