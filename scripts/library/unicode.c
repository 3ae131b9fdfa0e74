/* In place of the part of Swift's runtime that knows categories, cases, names and numbers of Unicode characters, whose
 * tables take 0.67 MB. libquern asks for none of these, which scripts/build-library checks. Comparing strings and finding
 * the bounds of characters need other tables, which stay. */
#include <stdlib.h>

#define ABSENT(name)                                                                                                   \
  void name(void);                                                                                                     \
  void name(void) { abort(); }

ABSENT(_swift_stdlib_getAge)
ABSENT(_swift_stdlib_getBinaryProperties)
ABSENT(_swift_stdlib_getCaseMapping)
ABSENT(_swift_stdlib_getGeneralCategory)
ABSENT(_swift_stdlib_getMapping)
ABSENT(_swift_stdlib_getNameAlias)
ABSENT(_swift_stdlib_getNumericType)
ABSENT(_swift_stdlib_getNumericValue)
ABSENT(_swift_stdlib_getScalarName)
ABSENT(_swift_stdlib_getScript)
ABSENT(_swift_stdlib_getScriptExtensions)
ABSENT(_swift_stdlib_getSpecialMapping)
