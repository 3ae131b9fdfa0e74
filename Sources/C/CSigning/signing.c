#include "quern_signing.h"

#include <limits.h>
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
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

typedef EVP_PKEY *reader(BIO *, EVP_PKEY **, pem_password_cb *, void *);

/// The key in a text, by one of the functions of libcrypto; NULL where there is none.
static EVP_PKEY *read_key(reader *read, const void *pem, size_t length, passphrase *given) {
  initialize();
  BIO *bio = length <= INT_MAX ? BIO_new_mem_buf(pem, (int)length) : NULL;
  EVP_PKEY *key = bio ? read(bio, NULL, give_passphrase, given) : NULL;
  BIO_free(bio);
  ERR_clear_error();
  return key;
}

quern_key *quern_private_key(const void *pem, size_t length, const void *text, size_t text_length,
                             quern_key_status *status) {
  passphrase given = {text, text_length, 0};
  EVP_PKEY *key = read_key(PEM_read_bio_PrivateKey, pem, length, &given);
  if (key) return checked(key, status);
  *status = !given.asked ? quern_key_not_found : text ? quern_key_wrong_passphrase : quern_key_encrypted;
  return NULL;
}

quern_key *quern_public_key(const void *pem, size_t length, quern_key_status *status) {
  passphrase none = {NULL, 0, 0};
  EVP_PKEY *key = read_key(PEM_read_bio_PUBKEY, pem, length, &none);
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
