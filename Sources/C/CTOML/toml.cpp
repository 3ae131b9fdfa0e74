// toml++ (Debian's libtomlplusplus-dev), without exceptions and without a library to link.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
// toml++ asserts what some documents violate: a table header that starts with a comma, in 3.0 to 3.4. A failed assertion
// would end the process, or be undefined where assertions are off; here it makes the document invalid.
#undef NDEBUG
#define TOML_ASSERT(expression) \
  do { \
    if (!(expression)) fail_assertion(); \
  } while (false)
#include "quern_toml.h"

namespace {
struct FailedAssertion {};
[[noreturn]] void fail_assertion() { throw FailedAssertion(); }
}  // namespace

#include <toml++/toml.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

namespace {

struct Visitor {
  /// Tables in tables that are deeper are visited as values of another kind.
  static constexpr int max_depth = 2;

  void (*visit)(void *, const quern_toml_value *);
  void *context;

  void value(const toml::node &node, const std::string &table, std::string_view key, bool is_element) const {
    quern_toml_value value = {};
    value.table = table.data();
    value.table_length = table.size();
    value.key = key.data();
    value.key_length = key.size();
    value.line = node.source().begin.line;
    value.is_element = is_element;
    value.kind = quern_toml_other;
    if (auto string = node.as_string()) {
      value.kind = quern_toml_string;
      value.text = string->get().data();
      value.text_length = string->get().size();
    } else if (auto integer = node.as_integer()) {
      value.kind = quern_toml_integer;
      value.integer = integer->get();
    } else if (auto real = node.as_floating_point()) {
      value.kind = quern_toml_float;
      value.real = real->get();
    } else if (auto boolean = node.as_boolean()) {
      value.kind = quern_toml_boolean;
      value.boolean = boolean->get();
    } else if (auto array = node.as_array(); array && array->empty()) {
      value.kind = quern_toml_empty_array;
    }
    visit(context, &value);
  }

  void table(const toml::table &table, const std::string &path, int depth) const {
    for (auto &&[key, node] : table) {
      std::string_view name = key.str();
      if (auto inner = node.as_table(); inner && depth < max_depth) {
        this->table(*inner, path.empty() ? std::string(name) : path + "." + std::string(name), depth + 1);
      } else if (auto array = node.as_array(); array && !array->empty()) {
        for (auto &element : *array) value(element, path, name, true);
      } else {
        value(node, path, name, false);
      }
    }
  }
};

/// Whether toml++ violates one of its assertions in a document.
bool fails(std::string_view document) {
  try {
    static_cast<void>(toml::parse(document));
    return false;
  } catch (const FailedAssertion &) {
    return true;
  }
}

/// The line of a violated assertion, from 1: the first whose end is enough to violate it.
unsigned failing_line(std::string_view document) {
  std::vector<size_t> ends;
  for (size_t i = 0; i < document.size(); ++i)
    if (document[i] == '\n') ends.push_back(i + 1);
  auto line = std::partition_point(ends.begin(), ends.end(), [&](size_t end) { return !fails(document.substr(0, end)); });
  return static_cast<unsigned>(line - ends.begin()) + 1;
}

}  // namespace

int quern_toml_parse(const char *document, size_t length, void (*visit)(void *, const quern_toml_value *),
                     void *context, char *error, size_t capacity, unsigned *line) {
  std::optional<toml::parse_result> parsed;
  try {
    parsed = toml::parse(std::string_view(document, length));
  } catch (const FailedAssertion &) {
    std::snprintf(error, capacity, "a key or a table header was expected");
    *line = failing_line(std::string_view(document, length));
    return 0;
  }
  const auto &result = *parsed;
  if (!result) {
    std::snprintf(error, capacity, "%.*s", static_cast<int>(result.error().description().size()),
                  result.error().description().data());
    *line = result.error().source().begin.line;
    return 0;
  }
  Visitor{visit, context}.table(result.table(), "", 0);
  return 1;
}
