#include "COpenBLAS.h"
#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

// From cblas.h, whose ABI is the same in every 32-bit-integer build.
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112, LOWER = 122, NON_UNIT = 131, LEFT = 141 };
typedef void (*sgemm_function)(int order, int transA, int transB, int m, int n, int k, float alpha, const float *a, int lda,
                               const float *b, int ldb, float beta, float *c, int ldc);

typedef void (*ssyrk_function)(int order, int uplo, int trans, int n, int k, float alpha, const float *a, int lda, float beta,
                               float *c, int ldc);
typedef void (*strsm_function)(int order, int side, int uplo, int trans, int diag, int m, int n, float alpha, const float *a,
                               int lda, float *b, int ldb);
// LAPACK's calling convention: column-major, arguments by reference; the last one is the length of the string.
typedef void (*spotrf_function)(const char *uplo, const int *n, float *a, const int *lda, int *info, size_t);
typedef void (*dgemm_function)(int order, int transA, int transB, int m, int n, int k, double alpha, const double *a, int lda,
                               const double *b, int ldb, double beta, double *c, int ldc);
typedef void (*dsyrk_function)(int order, int uplo, int trans, int n, int k, double alpha, const double *a, int lda,
                               double beta, double *c, int ldc);
typedef void (*dsyevd_function)(const char *jobz, const char *uplo, const int *n, double *a, const int *lda, double *w,
                                double *work, const int *lwork, int *iwork, const int *liwork, int *info, size_t, size_t);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *problem;
static sgemm_function sgemm;
static ssyrk_function ssyrk;
static strsm_function strsm;
static spotrf_function spotrf;
static dgemm_function dgemm;
static dsyrk_function dsyrk;
static dsyevd_function dsyevd;

// OpenBLAS 0.3.21 chooses the wrong kernels for AMD processors with AVX-512. Family 19h (Zen 4) splits 512-bit
// instructions in two: there, the Haswell kernels are 7 % faster, as measured, than the AVX-512 kernels that OpenBLAS
// chooses. Family 1Ah (Zen 5) does not split them, but OpenBLAS treats it as Haswell, at half its speed.
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
  // Quern's threads call it with separate work, so a second thread pool would only compete with them.
  setenv("OPENBLAS_NUM_THREADS", "1", 1);
  void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
  if (!library) library = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    problem = "cannot load libopenblas.so.0 (Debian and Ubuntu: apt-get install libopenblas0)";
    return;
  }
  sgemm = (sgemm_function)dlsym(library, "cblas_sgemm");
  ssyrk = (ssyrk_function)dlsym(library, "cblas_ssyrk");
  strsm = (strsm_function)dlsym(library, "cblas_strsm");
  spotrf = (spotrf_function)dlsym(library, "spotrf_");
  dgemm = (dgemm_function)dlsym(library, "cblas_dgemm");
  dsyrk = (dsyrk_function)dlsym(library, "cblas_dsyrk");
  dsyevd = (dsyevd_function)dlsym(library, "dsyevd_");
  void (*set_threads)(int) = (void (*)(int))dlsym(library, "openblas_set_num_threads");
  if (!sgemm || !ssyrk || !strsm || !spotrf || !dgemm || !dsyrk || !dsyevd) {
    problem = "libopenblas.so.0 lacks functions of BLAS or LAPACK: cblas_sgemm, cblas_ssyrk, cblas_strsm, cblas_dgemm, "
              "cblas_dsyrk, spotrf_ or dsyevd_";
    return;
  }
  if (set_threads) set_threads(1);
}

const char *quern_openblas_load(void) {
  pthread_once(&once, load);
  return problem;
}

void quern_openblas_sgemm(int transposes, size_t m, size_t n, size_t k, float alpha, const float *a, size_t lda, const float *b,
                          size_t ldb, float beta, float *c, size_t ldc) {
  sgemm(ROW_MAJOR, transposes ? TRANSPOSE : NO_TRANSPOSE, NO_TRANSPOSE, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb,
        beta, c, (int)ldc);
}

void quern_openblas_strsm_l(int transposes, size_t n, size_t m, const float *l, size_t ldl, float *b, size_t ldb) {
  strsm(ROW_MAJOR, LEFT, LOWER, transposes ? TRANSPOSE : NO_TRANSPOSE, NON_UNIT, (int)n, (int)m, 1, l, (int)ldl, b, (int)ldb);
}

void quern_openblas_ssyrk_t(size_t n, size_t k, float alpha, const float *a, size_t lda, float *c, size_t ldc) {
  ssyrk(ROW_MAJOR, LOWER, TRANSPOSE, (int)n, (int)k, alpha, a, (int)lda, 1, c, (int)ldc);
}

// The lower triangle by rows is the upper one by columns.
int quern_openblas_spotrf(size_t n, float *a, size_t lda) {
  const int count = (int)n, stride = (int)lda;
  int info = 0;
  spotrf("U", &count, a, &stride, &info, 1);
  return info;
}

void quern_openblas_dgemm(size_t m, size_t n, size_t k, double alpha, const double *a, size_t lda, const double *b, size_t ldb,
                          double beta, double *c, size_t ldc) {
  dgemm(ROW_MAJOR, NO_TRANSPOSE, NO_TRANSPOSE, (int)m, (int)n, (int)k, alpha, a, (int)lda, b, (int)ldb, beta, c, (int)ldc);
}

void quern_openblas_dsyrk_t(size_t n, size_t k, double alpha, const double *a, size_t lda, double *c, size_t ldc) {
  dsyrk(ROW_MAJOR, LOWER, TRANSPOSE, (int)n, (int)k, alpha, a, (int)lda, 1, c, (int)ldc);
}

// The lower triangle by rows is the upper one by columns, and LAPACK's eigenvectors are columns.
int quern_openblas_dsyevd(size_t n, double *a, size_t lda, double *values) {
  const int count = (int)n, stride = (int)lda, query = -1;
  int info = 0, integers = 0;
  double doubles = 0;
  dsyevd("V", "U", &count, a, &stride, values, &doubles, &query, &integers, &query, &info, 1, 1);
  if (info != 0 || !(doubles >= 1 && doubles < 2147483647.0) || integers < 1) return info ? info : -1;
  const int lwork = (int)doubles, liwork = integers;
  double *work = malloc((size_t)lwork * sizeof(double));
  int *iwork = malloc((size_t)liwork * sizeof(int));
  if (work && iwork)
    dsyevd("V", "U", &count, a, &stride, values, work, &lwork, iwork, &liwork, &info, 1, 1);
  else
    info = -1;
  free(work);
  free(iwork);
  return info;
}
