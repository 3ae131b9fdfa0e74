/* Tests libquern with some packages: test-library FOLDER PACKAGE.quern ... */
#include "check.h"
#include "tests.h"

int failure_count = 0;

int main(int argc, char **argv) {
  if (argc < 3) return 64;
  for (int index = 2; index < argc; index++) {
    const char *path = argv[index];
    int before = failure_count;
    if (index == 2) test_errors(path, argv[1]);
    test_results(path, argv[1]);
    test_memory(path);
    test_threads(path);
    printf("%s: %s\n", path, failure_count == before ? "passed" : "FAILED");
    fflush(stdout);
  }
  return failure_count == 0 ? 0 : 1;
}
