"""Writes a C program that prints the sizes and offsets of the structs, and the values of the enumerators and macros, of a
header of plain declarations; see scripts/check-abi."""

import re
import sys

text = re.sub(r"/\*.*?\*/", "", open(sys.argv[1]).read(), flags=re.S)
print("#include <quern.h>")
print("#include <stdio.h>")
print("int main(void) {")
for enum, body in re.findall(r"typedef enum (\w+) \{(.*?)\}", text, flags=re.S):
    print(f'  printf("enum {enum} %zu bytes\\n", sizeof({enum}));')
    for name in re.findall(r"^\s*(\w+)\s*=", body, flags=re.M):
        print(f'  printf("enumerator {name} %d\\n", (int){name});')
for name in re.findall(r"^#define (QUERN_\w+) \d+u$", text, flags=re.M):
    print(f'  printf("flag {name} %u\\n", {name});')
for struct, body in re.findall(r"typedef struct (\w+) \{(.*?)\}", text, flags=re.S):
    print(f'  printf("struct {struct} %zu bytes\\n", sizeof({struct}));')
    for field in re.findall(r"(\w+);", body):
        print(f'  printf("field {struct}.{field} at %zu\\n", offsetof({struct}, {field}));')
print("  return 0;")
print("}")
