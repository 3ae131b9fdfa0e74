#pragma once

#include <stddef.h>

// Elliptic-curve keys and signatures by libcrypto's EVP interface: ECDSA (FIPS 186-5) with the curve P-256 and SHA-256,
// P-384 and SHA-384, or P-521 and SHA-512. No configuration file of OpenSSL is read.

/// A key: private, or public only.
typedef struct quern_key quern_key;

/// Why a key cannot be used.
typedef enum {
  quern_key_usable,
  /// The text holds no such key in PEM.
  quern_key_not_found,
  /// The key is encrypted, and no passphrase was given.
  quern_key_encrypted,
  /// The key is encrypted, and the passphrase does not decrypt it.
  quern_key_wrong_passphrase,
  /// The key is not for one of the three curves.
  quern_key_other_curve,
  /// Another block of PEM stands before the public key, or anything but blanks behind it.
  quern_key_not_alone,
} quern_key_status;

/// Reads a private key from PEM: PKCS #8, encrypted or not, or the older form of its own for EC.
///
/// - passphrase: NULL where there is none.
/// Returns NULL with the reason in `status`.
quern_key *quern_private_key(const void *pem, size_t length, const void *passphrase, size_t passphrase_length,
                             quern_key_status *status);

/// Reads a public key (SubjectPublicKeyInfo in DER) from PEM, which holds nothing else; text may stand before it.
/// Returns NULL with the reason in `status`.
quern_key *quern_public_key(const void *pem, size_t length, quern_key_status *status);

/// Frees a key; NULL is ignored.
void quern_key_free(quern_key *key);

/// Writes the public key in PEM, with an uncompressed point, and not terminated by a zero. Returns the number of bytes;
/// 0 where they do not fit or memory is short.
size_t quern_key_write_public(const quern_key *key, char *text, size_t capacity);

/// Signs a message. The signature is an ASN.1 SEQUENCE of two INTEGERs (SEC 1, C.8) with a random number in it, so that
/// two signatures of one message differ. Returns the number of bytes; 0 where it fails.
size_t quern_key_sign(const quern_key *key, const void *message, size_t length, unsigned char *signature,
                      size_t capacity);

/// Whether a signature of a message was made by the private key that belongs to a key: 1 or 0.
int quern_key_verify(const quern_key *key, const void *message, size_t length, const unsigned char *signature,
                     size_t signature_length);
