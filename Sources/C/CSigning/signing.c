#define _GNU_SOURCE
#include "quern_signing.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>

struct quern_key {
  EVP_PKEY *key;
  const EVP_MD *hash;
};

typedef struct {
  const void *text;
  size_t length;
  int asked;
} passphrase;

/// Gives libcrypto the passphrase, which would otherwise ask for it on the terminal.
static int give_passphrase(char *buffer, int capacity, int writing, void *context) {
  (void)writing;
  passphrase *given = context;
  given->asked = 1;
  if (!given->text || capacity < 0 || given->length > (size_t)capacity) return -1;
  memcpy(buffer, given->text, given->length);
  return (int)given->length;
}

/// Without this, libcrypto reads its configuration, which can load code.
static void initialize(void) { OPENSSL_init_crypto(OPENSSL_INIT_NO_LOAD_CONFIG, NULL); }

static const EVP_MD *hash_for(EVP_PKEY *key) {
  char curve[64];
  size_t length = 0;
  if (!EVP_PKEY_is_a(key, "EC") || !EVP_PKEY_get_group_name(key, curve, sizeof curve, &length)) return NULL;
  if (!strcmp(curve, "prime256v1") || !strcmp(curve, "P-256")) return EVP_sha256();
  if (!strcmp(curve, "secp384r1") || !strcmp(curve, "P-384")) return EVP_sha384();
  if (!strcmp(curve, "secp521r1") || !strcmp(curve, "P-521")) return EVP_sha512();
  return NULL;
}

/// Takes over `key`.
static quern_key *checked(EVP_PKEY *key, quern_key_status *status) {
  const EVP_MD *hash = hash_for(key);
  quern_key *result = hash ? malloc(sizeof *result) : NULL;
  if (!result || !EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, "uncompressed")) {
    *status = quern_key_other_curve;
    free(result);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return NULL;
  }
  *status = quern_key_usable;
  *result = (quern_key){key, hash};
  ERR_clear_error();
  return result;
}

quern_key *quern_private_key(const void *pem, size_t length, const void *text, size_t text_length,
                             quern_key_status *status) {
  passphrase given = {text, text_length, 0};
  initialize();
  BIO *bio = length <= INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
  EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, give_passphrase, &given) : NULL;
  BIO_free(bio);
  ERR_clear_error();
  if (key) return checked(key, status);
  *status = !given.asked ? quern_key_not_found : text ? quern_key_wrong_passphrase : quern_key_encrypted;
  return NULL;
}

/// The first place of a word in a text; NULL where there is none.
static const char *find(const char *text, const char *end, const char *word) {
  return memmem(text, (size_t)(end - text), word, strlen(word));
}

/// The start of the one block that a text has, which must be a public key, with nothing but blanks behind it. libcrypto
/// skips other blocks, and so would read a key that other programs do not find. NULL with the reason in `status`.
static const char *public_block(const char *text, size_t length, quern_key_status *status) {
  static const char closing[] = "-----END PUBLIC KEY-----";
  *status = quern_key_not_found;
  if (!text || length > INT_MAX) return NULL;
  const char *end = text + length;
  const char *block = find(text, end, "-----BEGIN PUBLIC KEY-----");
  const char *last = block ? find(block, end, closing) : NULL;
  if (!last) return NULL;
  *status = quern_key_not_alone;
  if (find(text, end, "-----BEGIN") != block) return NULL;
  for (last += strlen(closing); last < end; last++) {
    if (!memchr(" \t\r\n", *last, 4)) return NULL;
  }
  return block;
}

/// The key in the DER of a SubjectPublicKeyInfo; NULL where there is none, and where DER would encode it otherwise.
static EVP_PKEY *decode_public(const unsigned char *der, long length) {
  const unsigned char *next = der;
  X509_PUBKEY *info = d2i_X509_PUBKEY(NULL, &next, length);
  unsigned char *again = NULL;
  int count = info ? i2d_X509_PUBKEY(info, &again) : 0;
  EVP_PKEY *key = count > 0 && count == length && !memcmp(again, der, (size_t)length) ? X509_PUBKEY_get(info) : NULL;
  OPENSSL_free(again);
  X509_PUBKEY_free(info);
  return key;
}

quern_key *quern_public_key(const void *pem, size_t length, quern_key_status *status) {
  const char *block = public_block(pem, length, status);
  if (!block) return NULL;
  initialize();
  BIO *bio = BIO_new_mem_buf(block, (int)(length - (size_t)(block - (const char *)pem)));
  char *name = NULL, *header = NULL;
  unsigned char *der = NULL;
  long count = 0;
  int found = bio && PEM_read_bio(bio, &name, &header, &der, &count) && !*header;
  EVP_PKEY *key = found ? decode_public(der, count) : NULL;
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(der);
  BIO_free(bio);
  ERR_clear_error();
  if (key) return checked(key, status);
  *status = quern_key_not_found;
  return NULL;
}

void quern_key_free(quern_key *key) {
  if (!key) return;
  EVP_PKEY_free(key->key);
  free(key);
}

size_t quern_key_write_public(const quern_key *key, char *text, size_t capacity) {
  BIO *bio = BIO_new(BIO_s_mem());
  char *data = NULL;
  long length = bio && PEM_write_bio_PUBKEY(bio, key->key) ? BIO_get_mem_data(bio, &data) : 0;
  size_t written = length > 0 && (size_t)length <= capacity ? (size_t)length : 0;
  if (written) memcpy(text, data, written);
  BIO_free(bio);
  ERR_clear_error();
  return written;
}

size_t quern_key_sign(const quern_key *key, const void *message, size_t length, unsigned char *signature,
                      size_t capacity) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  size_t written = capacity;
  if (!context || EVP_DigestSignInit(context, NULL, key->hash, NULL, key->key) != 1 ||
      EVP_DigestSign(context, signature, &written, message, length) != 1)
    written = 0;
  EVP_MD_CTX_free(context);
  ERR_clear_error();
  return written;
}

int quern_key_verify(const quern_key *key, const void *message, size_t length, const unsigned char *signature,
                     size_t signature_length) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  int valid = context && EVP_DigestVerifyInit(context, NULL, key->hash, NULL, key->key) == 1 &&
              EVP_DigestVerify(context, signature, signature_length, message, length) == 1;
  EVP_MD_CTX_free(context);
  ERR_clear_error();
  return valid;
}
