#pragma once

/* Each test takes the path of a package; `folder` is one for temporary files. */
void test_errors(const char *path, const char *folder);
void test_results(const char *path, const char *folder);
void test_memory(const char *path);
void test_threads(const char *path);
/* Of the package without a self-test in a folder, and of one that has a self-test. */
void test_selftest_errors(const char *folder);
void test_selftest(const char *path);
/* With a library that has a broken kernel, and a package with a self-test. */
void test_broken_kernel(const char *path);
