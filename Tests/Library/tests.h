#pragma once

/* Each test takes the path of a package; `folder` is one for temporary files. */
void test_errors(const char *path, const char *folder);
void test_results(const char *path, const char *folder);
void test_memory(const char *path);
void test_threads(const char *path);
