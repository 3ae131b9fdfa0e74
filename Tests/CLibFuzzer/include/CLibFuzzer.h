#pragma once

#include <stddef.h>
#include <stdint.h>

/// Runs an input.
typedef void (*quern_fuzz_run)(const uint8_t *data, size_t size);

/// Changes an input in place, to at most `limit` bytes, and returns its new size.
typedef size_t (*quern_fuzz_mutate)(uint8_t *data, size_t size, size_t limit, unsigned seed);

/// Calls libFuzzer's main function (https://llvm.org/docs/LibFuzzer.html) with the arguments of a command line.
int quern_fuzz_main(int count, char **arguments, quern_fuzz_run run, quern_fuzz_mutate mutate);

/// LLVMFuzzerMutate: libFuzzer's own mutation of bytes.
size_t quern_fuzz_mutate_bytes(uint8_t *data, size_t size, size_t limit);
