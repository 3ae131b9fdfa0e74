// Takes the place of libcrypto in the statically linked tool, of which it would be 3.8 MB: the library of the system is
// loaded when a signature is made or verified for the first time. `CSigning` calls OPENSSL_init_crypto before all others.
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

static void *address(const char *name) {
  static void *library;
  if (!library) library = dlopen("libcrypto.so.3", RTLD_NOW | RTLD_LOCAL);
  void *result = library ? dlsym(library, name) : NULL;
  if (!result) {
    fprintf(stderr, "quern: error: signatures need libcrypto.so.3 of OpenSSL 3, which is not installed (in Debian, the "
                    "package libssl3)\n");
    _exit(69);
  }
  return result;
}

// All arguments and results are integers or pointers, at most five, which the calling conventions of x86-64 and AArch64
// pass in registers whatever their number and types.
typedef long function(long, long, long, long, long);
#define FORWARD(name) \
  long name(long a, long b, long c, long d, long e) { \
    static function *next; \
    if (!next) next = (function *)address(#name); \
    return next(a, b, c, d, e); \
  }

FORWARD(BIO_ctrl)
FORWARD(BIO_free)
FORWARD(BIO_new)
FORWARD(BIO_new_mem_buf)
FORWARD(BIO_s_mem)
FORWARD(ERR_clear_error)
FORWARD(EVP_DigestSign)
FORWARD(EVP_DigestSignInit)
FORWARD(EVP_DigestVerify)
FORWARD(EVP_DigestVerifyInit)
FORWARD(EVP_MD_CTX_free)
FORWARD(EVP_MD_CTX_new)
FORWARD(EVP_PKEY_free)
FORWARD(EVP_PKEY_get_group_name)
FORWARD(EVP_PKEY_is_a)
FORWARD(EVP_PKEY_set_utf8_string_param)
FORWARD(EVP_sha256)
FORWARD(EVP_sha384)
FORWARD(EVP_sha512)
FORWARD(OPENSSL_init_crypto)
FORWARD(PEM_read_bio_PUBKEY)
FORWARD(PEM_read_bio_PrivateKey)
FORWARD(PEM_write_bio_PUBKEY)
