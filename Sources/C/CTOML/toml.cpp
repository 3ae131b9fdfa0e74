// toml++ (Debian's libtomlplusplus-dev), without exceptions and without a library to link.
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#define TOML_ENABLE_FORMATTERS 0
#include "quern_toml.h"

#include <toml++/toml.h>

#include <cstdio>
#include <string>

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

}  // namespace

int quern_toml_parse(const char *document, size_t length, void (*visit)(void *, const quern_toml_value *),
                     void *context, char *error, size_t capacity, unsigned *line) {
  auto result = toml::parse(std::string_view(document, length));
  if (!result) {
    std::snprintf(error, capacity, "%.*s", static_cast<int>(result.error().description().size()),
                  result.error().description().data());
    *line = result.error().source().begin.line;
    return 0;
  }
  Visitor{visit, context}.table(result.table(), "", 0);
  return 1;
}
