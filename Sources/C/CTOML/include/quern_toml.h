#ifndef QUERN_TOML_H
#define QUERN_TOML_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a TOML document has under a key. Dates, times, and tables in tables in tables are `quern_toml_other`.
typedef enum {
  quern_toml_string,
  quern_toml_integer,
  quern_toml_float,
  quern_toml_boolean,
  /// Only of an empty array, which has no elements to visit.
  quern_toml_empty_array,
  quern_toml_other,
} quern_toml_kind;

/// A value, or one element of an array. The pointers are valid during the visit.
typedef struct {
  /// The keys of the enclosing tables joined by dots, and the key itself; not terminated by a zero.
  const char *table, *key;
  size_t table_length, key_length;
  quern_toml_kind kind;
  /// The text of a string; not terminated by a zero.
  const char *text;
  size_t text_length;
  long long integer;
  double real;
  int boolean;
  /// Whether the value is an element of an array.
  int is_element;
  /// The line of the value, from 1.
  unsigned line;
} quern_toml_value;

/// Parses a TOML 1.0 document and visits its values; the elements of an array in their order, keys sorted.
///
/// - error: receives the message if the document is invalid, terminated by a zero and truncated to `capacity` bytes.
/// - line: receives the line of the error, from 1.
/// Returns 1, or 0 if the document is invalid.
int quern_toml_parse(const char *document, size_t length, void (*visit)(void *context, const quern_toml_value *value),
                     void *context, char *error, size_t capacity, unsigned *line);

#ifdef __cplusplus
}
#endif
#endif
