#pragma once
// The functions of one algorithm, which OpenSSL 3 has deprecated in favour of its EVP interface but keeps. They link
// statically in 20 KB, and EVP in 3.8 MB; both run the same code, with the processor's SHA instructions.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
