"""Writes a copy of a package that has no self-test: hide_selftest.py PACKAGE COPY.

The section gets a kind that is unknown, so that readers ignore it (formats/package.md, "Index")."""

import hashlib
import struct
import sys

SELF_TEST, UNKNOWN = 7, 9
data = bytearray(open(sys.argv[1], "rb").read())
index, length = struct.unpack_from("<QQ", data, 32)
kinds = [data[offset] for offset in range(index, index + length, 96)]
if SELF_TEST not in kinds or any(SELF_TEST < kind <= UNKNOWN for kind in kinds):
    sys.exit(f"{sys.argv[1]}: no self-test that can be hidden")
data[index + 96 * kinds.index(SELF_TEST)] = UNKNOWN
data[64:96] = hashlib.sha256(data[index : index + length]).digest()
data[128:160] = hashlib.sha256(data[:128]).digest()
open(sys.argv[2], "wb").write(data)
