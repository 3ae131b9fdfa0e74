#include "COpenBLAS.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

// From cblas.h, whose ABI is the same in every 32-bit-integer build.
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };
typedef void (*sgemm_function)(int order, int transA, int transB, int m, int n, int k, float alpha, const float *a, int lda,
                               const float *b, int ldb, float beta, float *c, int ldc);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *problem;
static const char *core;
static sgemm_function sgemm;

// OpenBLAS 0.3.21 guesses AMD processors with AVX-512 wrongly. Family 19h (Zen 4) halves 512-bit instructions: the Haswell
// kernels measured 7 % faster there than the AVX-512 ones it picks. Family 1Ah (Zen 5) does not, and is taken for Haswell
// at half its speed.
static void choose_core(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  unsigned eax = 0, ebx, ecx, edx;
  if (!__builtin_cpu_is("amd") || !__get_cpuid(1, &eax, &ebx, &ecx, &edx)) return;
  unsigned family = ((eax >> 8) & 0xf) + ((eax >> 20) & 0xff);
  if (family >= 0x19 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    setenv("OPENBLAS_CORETYPE", family == 0x19 ? "Haswell" : "SkylakeX", 0);
#endif
}

static void load(void) {
  choose_core();
  // Our own threads call it, each with work of its own: a second pool would only compete.
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    problem = "cannot load libopenblas.so.0 (Debian and Ubuntu: apt-get install libopenblas0)";
    return;
  }
  sgemm = (sgemm_function)dlsym(library, "cblas_sgemm");
  void (*set_threads)(int) = (void (*)(int))dlsym(library, "openblas_set_num_threads");
  char *(*corename)(void) = (char *(*)(void))dlsym(library, "openblas_get_corename");
  if (!sgemm) {
    problem = "libopenblas.so.0 has no cblas_sgemm";
    return;
  }
  if (set_threads) set_threads(1);
  core = corename ? corename() : "unknown";
}

const char *quern_openblas_load(void) {
  pthread_once(&once, load);
  return problem;
}

const char *quern_openblas_core(void) { return core; }

void quern_openblas_sgemm_nt(size_t m, size_t n, size_t k, const float *a, size_t lda, const float *b, size_t ldb, float *c,
                             size_t ldc) {
  sgemm(ROW_MAJOR, NO_TRANSPOSE, TRANSPOSE, (int)m, (int)n, (int)k, 1, a, (int)lda, b, (int)ldb, 0, c, (int)ldc);
}
