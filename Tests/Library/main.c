/* Tests libquern with some packages: test-library FOLDER PACKAGE.quern ...
 * The folder contains a package without a self-test, without-selftest.quern.
 * Tests a library that has a broken kernel: test-library --broken PACKAGE.quern */
#include "check.h"
#include "tests.h"

int failure_count = 0;

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  if (strcmp(argv[1], "--broken") == 0) {
    test_broken_kernel(argv[2]);
    return failure_count == 0 ? 0 : 1;
  }
  for (int index = 2; index < argc; index++) {
    const char *path = argv[index];
    int before = failure_count;
    if (index == 2) test_errors(path, argv[1]);
    if (index == 2) test_selftest_errors(argv[1]);
    test_selftest(path);
    test_results(path, argv[1]);
    test_memory(path);
    test_threads(path);
    printf("%s: %s\n", path, failure_count == before ? "passed" : "FAILED");
    fflush(stdout);
  }
  return failure_count == 0 ? 0 : 1;
}
