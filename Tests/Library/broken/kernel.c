/* A kernel that flips a bit of its first result, as a miscompiled one might. scripts/test-library links it into a copy of
 * the library in place of the kernel that it calls (ld --wrap). */
#include "quern_igemm.h"

#if defined(__x86_64__)
#define SOUND __real_quern_igemm_avx2
#define BROKEN __wrap_quern_igemm_avx2
#elif defined(__aarch64__)
#define SOUND __real_quern_igemm_neon
#define BROKEN __wrap_quern_igemm_neon
#endif

void SOUND(const quern_igemm_args *args);
void BROKEN(const quern_igemm_args *args);

void BROKEN(const quern_igemm_args *args) {
  SOUND(args);
  if (args->store == QUERN_STORE_U8) *(uint8_t *)args->output ^= 1;
}
