#!/usr/bin/env python3
"""Compares signatures with model-signing, and validates provenance and bills of materials.

    venv/bin/pip install -r scripts/differential/requirements.txt
    venv/bin/python scripts/differential/compare_signatures.py

A release build converts the bundled network and signs the package. Signatures of quern are verified by model-signing, and those
of model-signing by quern, with keys for three curves. Each way of spoiling a signature, a key or the package must end with the
exit status that docs/command-line.md gives: 1 for a signature that does not fit, 65 for one that is none. The cases are those of
the specification's conformance suite that concern a single file and the key method, and more; they are made here. Provenance is
validated by in-toto-attestation, and the bill of materials by cyclonedx-python-lib. --quick makes fewer flips of bits.
"""

import base64
import copy
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from google.protobuf import json_format
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from in_toto_attestation.v1 import resource_descriptor, statement_pb2
from in_toto_attestation.v1.statement import Statement

ROOT = os.path.abspath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
QUERN = os.path.join(ROOT, ".build", "release", "quern")
CHECKPOINT = os.path.join(ROOT, "fixtures", "demo", "multigrain_r50w16_tiny50.pth")
PHOTOGRAPHS = os.path.join(ROOT, "fixtures", "photographs")
CONVERT = ["convert", CHECKPOINT, "--calibration", PHOTOGRAPHS, "--calibration-count", "48", "--size", "64", "--crop", "rect",
           "--license", "Apache-2.0", "--quiet"]
CURVES = {"p256": (ec.SECP256R1, hashes.SHA256), "p384": (ec.SECP384R1, hashes.SHA384), "p521": (ec.SECP521R1, hashes.SHA512)}
TYPE = "application/vnd.in-toto+json"
# An entry of a log, as sigstore defines it.
ENTRY = {
    "logIndex": "1", "logId": {"keyId": "AAAA"}, "kindVersion": {"kind": "dsse", "version": "0.0.1"}, "integratedTime": "1",
    "inclusionPromise": {"signedEntryTimestamp": "AAAA"}, "canonicalizedBody": "AAAA",
    "inclusionProof": {"logIndex": "1", "rootHash": "AAAA", "treeSize": "2", "hashes": ["AAAA"],
                       "checkpoint": {"envelope": "x"}},
}
# What is no number of JSON (RFC 8259, section 6), although many readers of numbers take it.
NO_NUMBERS = ["01", "-01", "00", "1.", "1.e3", "-.5", ".5", "+1", "0x10", "1_0"]

failures = []
count = 0


def expect(what, condition, detail=""):
    global count
    count += 1
    if not condition:
        failures.append(what)
        print(f"FAILED  {what}  {detail}")


def quern(*arguments, **environment):
    return subprocess.run([QUERN, *arguments], capture_output=True, text=True, env={**os.environ, **environment})


def model_signing(*arguments):
    return subprocess.run([sys.executable, "-m", "model_signing", *arguments], capture_output=True, text=True)


def write(path, data):
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())
    return path


def write_key(folder, name, key, form=serialization.PrivateFormat.PKCS8, password=None):
    """Writes a key and its public half as NAME.pem and NAME.pub."""
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    write(os.path.join(folder, f"{name}.pem"), key.private_bytes(pem, form, encryption))
    public = key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    return write(os.path.join(folder, f"{name}.pub"), public)


def statement(name, digest):
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": hashlib.sha256(bytes.fromhex(digest)).hexdigest()}}],
        "predicateType": "https://model_signing/signature/v1.0",
        "predicate": {
            "resources": [{"name": name, "digest": digest, "algorithm": "sha256"}],
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False},
        },
    }


def bundle(key, payload):
    """A bundle around a payload, which need not be a statement."""
    curve = next(value for name, value in CURVES.items() if value[0].name == key.curve.name)
    signed = b"DSSEv1 %d %s %d %s" % (len(TYPE), TYPE.encode(), len(payload), payload)
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    signature = {"sig": base64.b64encode(key.sign(signed, ec.ECDSA(curve[1]()))).decode(), "keyid": ""}
    return {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": hashlib.sha256(public).hexdigest()}, "tlogEntries": []},
        "dsseEnvelope": {"payload": base64.b64encode(payload).decode(), "payloadType": TYPE, "signatures": [signature]},
    }


def for_addresses(text):
    """A text in base 64 in the alphabet for addresses and names of files (RFC 4648, section 5)."""
    return text.replace("+", "-").replace("/", "_")


def changed(value, change):
    value = copy.deepcopy(value)
    change(value)
    return value


def compare_both_ways(folder, package, keys):
    """Signatures of either side verify on the other, and not of a package with one more byte."""
    model = os.path.join(folder, "model")
    os.mkdir(model)
    name = os.path.basename(package)
    copied = shutil.copy(package, model)
    altered = os.path.join(folder, "altered")
    os.mkdir(altered)
    longer = write(os.path.join(altered, name), open(package, "rb").read() + b"\0")
    for curve, key in keys.items():
        public = write_key(folder, curve, key)
        private = public.replace(".pub", ".pem")
        signature = os.path.join(folder, f"{curve}.sig")
        result = quern("sign", package, "--key", private, "-o", signature)
        expect(f"{curve}: signed", result.returncode == 0, result.stderr)
        verified = quern("verify", package, "--signature", signature, "--public-key", public, "--json")
        report = json.loads(verified.stdout or "{}")
        expect(f"{curve}: own signature", verified.returncode == 0 and report["schema"] == "quern.signature/1", verified.stderr)
        expect(f"{curve}: key named", report["key_sha256"] == hashlib.sha256(open(public, "rb").read()).hexdigest())
        # model-signing calls a single file ".", against the specification, so it is given the folder.
        for target, status in [(model, 0), (altered, 1)]:
            theirs = model_signing("verify", "key", target, "--signature", signature, "--public_key", public)
            expect(f"{curve}: model-signing verifies {os.path.basename(target)}", theirs.returncode == status,
                   theirs.stdout + theirs.stderr)
        for target, *options in [(model,), (copied,), (model, "--ignore-paths", os.path.join(model, "other")),
                                 (copied, "--no-ignore-git-paths"), (model, "--allow_symlinks", "--no-ignore-git-paths")]:
            signature = os.path.join(folder, f"{curve}-theirs.sig")
            result = model_signing("sign", "key", target, "--signature", signature, "--private_key", private, *options)
            expect(f"{curve}: model-signing signed", result.returncode == 0, result.stdout + result.stderr)
            for path, status in [(copied, 0), (longer, 1)]:
                result = quern("verify", path, "--signature", signature, "--public-key", public)
                expect(f"{curve}: quern verifies {path} signed as {os.path.basename(target)} {options}",
                       result.returncode == status, result.stderr)


def check_keys(folder, package, key):
    """Forms of keys, encrypted ones, and those that are refused."""
    signature = os.path.join(folder, "key.sig")
    public = write_key(folder, "sec1", key, serialization.PrivateFormat.TraditionalOpenSSL)
    secret = "dünn & lang"
    write_key(folder, "encrypted", key, password=secret.encode())
    write_key(folder, "sec1-encrypted", key, serialization.PrivateFormat.TraditionalOpenSSL, secret.encode())
    passphrase = write(os.path.join(folder, "passphrase"), secret + "\r\nanother line\n")
    wrong = write(os.path.join(folder, "wrong"), "wrong\n")

    def sign(name, *options, **environment):
        return quern("sign", package, "--key", os.path.join(folder, f"{name}.pem"), "-o", signature, *options, **environment)

    def verifies():
        return quern("verify", package, "--signature", signature, "--public-key", public).returncode == 0

    expect("SEC 1 key", sign("sec1").returncode == 0 and verifies())
    for name in ["encrypted", "sec1-encrypted"]:
        expect(f"{name}: passphrase in a file", sign(name, "--passphrase-file", passphrase).returncode == 0 and verifies())
        expect(f"{name}: in the environment", sign(name, QUERN_KEY_PASSPHRASE=secret).returncode == 0 and verifies())
        os.remove(signature)
        for what, options in [("none", []), ("wrong", ["--passphrase-file", wrong])]:
            result = sign(name, *options)
            expect(f"{name}: {what}", result.returncode == 65 and "passphrase" in result.stderr, result.stderr)
            expect(f"{name}: {what}: nothing written", not os.path.exists(signature))
    others = {"rsa": rsa.generate_private_key(65537, 2048), "ed25519": ed25519.Ed25519PrivateKey.generate(),
              "secp256k1": ec.generate_private_key(ec.SECP256K1())}
    sign("sec1")
    for name, other in others.items():
        write_key(folder, name, other)
        result = sign(name)
        expect(f"{name} does not sign", result.returncode == 65 and "P-256" in result.stderr, result.stderr)
        result = quern("verify", package, "--signature", signature, "--public-key", os.path.join(folder, f"{name}.pub"))
        expect(f"{name} does not verify", result.returncode == 65, result.stderr)
    pem = open(os.path.join(folder, "sec1.pem"), "rb").read()
    damaged = {"text": b"no key\n", "empty": b"", "half": pem[:len(pem) // 2], "huge": pem + b"#" * 70000,
               "public": open(public, "rb").read(), "zeros": bytes(1000)}
    for name, data in damaged.items():
        write(os.path.join(folder, f"damaged-{name}.pem"), data)
        expect(f"key: {name}", sign(f"damaged-{name}").returncode == 65)
    for name in ["text", "empty", "half", "huge", "zeros"]:
        result = quern("verify", package, "--signature", signature, "--public-key", os.path.join(folder, f"damaged-{name}.pem"))
        expect(f"public key: {name}", result.returncode == 65, result.stderr)
    # The key of the signer alone: libcrypto skips other blocks, and other programs do not.
    block = open(public, "rb").read()
    certificate = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    alone = {"text before": b"text\n" + block, "blanks after": block + b" \r\n\t\n", "CR LF": block.replace(b"\n", b"\r\n")}
    others = {"private before": pem + block, "private after": block + pem, "certificate before": certificate + block,
              "twice": block + block, "text after": block + b"text\n", "NUL after": block + b"\0"}
    for status, files in [(0, alone), (65, others)]:
        for name, data in files.items():
            path = write(os.path.join(folder, "several.pub"), data)
            result = quern("verify", package, "--signature", signature, "--public-key", path)
            expect(f"public key: {name}", result.returncode == status, result.stderr)
    result = quern("verify", package, "--signature", signature, "--public-key", os.path.join(folder, "sec1.pem"))
    expect("a private key as public one", result.returncode == 65 and "private" in result.stderr, result.stderr)
    expect("missing key", sign("nowhere").returncode == 66)
    expect("missing public key", quern("verify", package, "--signature", signature, "--public-key", "/nowhere").returncode == 66)


def check_bundles(folder, package, keys, quick):
    """Bundles that are not as specified, or do not belong to the package."""
    name = os.path.basename(package)
    digest = hashlib.sha256(open(package, "rb").read()).hexdigest()
    key, public = keys["p256"], os.path.join(folder, "p256.pub")
    path = os.path.join(folder, "case.sig")

    def verify(data, target=package, public=public):
        write(path, data)
        result = quern("verify", target, "--signature", path, "--public-key", public)
        assert result.returncode in (0, 1, 65, 66), (result.returncode, result.stderr)
        return result

    def case(what, status, data, **options):
        result = verify(json.dumps(data) if isinstance(data, dict) else data, **options)
        expect(what, result.returncode == status, f"{result.returncode} instead of {status}: {result.stderr}")

    def made(change):
        return bundle(key, json.dumps(changed(statement(name, digest), change)).encode())

    plain = statement(name, digest)
    good = bundle(key, json.dumps(plain).encode())
    payload = json.dumps(plain)

    def material(**members):
        return changed(good, lambda b: b["verificationMaterial"].update(members))

    # What must verify, although quern writes it otherwise.
    case("a bundle from the specification alone", 0, good)
    case("indented payload", 0, bundle(key, json.dumps(plain, indent=2).encode()))
    case("indented bundle", 0, json.dumps(good, indent=4))
    case("keyid null", 0, changed(good, lambda b: b["dsseEnvelope"]["signatures"][0].update(keyid=None)))
    case("keyid absent", 0, changed(good, lambda b: b["dsseEnvelope"]["signatures"][0].pop("keyid")))
    case("tlogEntries absent", 0, changed(good, lambda b: b["verificationMaterial"].pop("tlogEntries")))
    raw = base64.b64encode(open(public, "rb").read()).decode()
    case("rawBytes instead of hint", 0, changed(good, lambda b: b["verificationMaterial"].update(
        publicKey={"rawBytes": raw, "keyDetails": "PKIX_ECDSA_P256_SHA_256"})))
    case("an entry of a log", 0, material(tlogEntries=[ENTRY]))
    case("no timestamps", 0, material(timestampVerificationData=None))
    case("a timestamp", 0, material(timestampVerificationData={"rfc3161Timestamps": [{"signedTimestamp": "AAAA"}]}))
    case("the name of model-signing", 0, made(lambda s: s["predicate"]["resources"][0].update(name=".")))
    case("another name of the subject", 0, made(lambda s: s["subject"][0].update(name="model")))
    case("ignored paths", 0, made(lambda s: s["predicate"]["serialization"].update(ignore_paths=[".git", "..", "a/b"])))
    case("symbolic links", 0, made(lambda s: s["predicate"]["serialization"].update(allow_symlinks=True)))
    case("more about the file", 0, made(lambda s: s["predicate"]["resources"][0].update(uri="https://example.org")))

    # Well-formed signatures of something else.
    other = shutil.copy(package, os.path.join(folder, "other.quern"))
    case("another file name", 1, good, target=other)
    longer = os.path.join(folder, "longer", name)
    os.mkdir(os.path.dirname(longer))
    write(longer, open(package, "rb").read() + b"\n")
    case("one appended byte", 1, good, target=longer)
    flipped = bytearray(open(package, "rb").read())
    flipped[len(flipped) // 2] ^= 1
    write(longer, bytes(flipped))
    case("one flipped bit", 1, good, target=longer)
    for curve in ["p384", "p521"]:
        case(f"{curve} instead of p256", 1, good, public=os.path.join(folder, f"{curve}.pub"))
    stranger = ec.generate_private_key(ec.SECP256R1())
    write_key(folder, "stranger", stranger)
    case("another key", 1, good, public=os.path.join(folder, "stranger.pub"))
    forged = bundle(stranger, payload.encode())
    forged["verificationMaterial"] = good["verificationMaterial"]
    case("another key under this one's name", 1, forged)
    for what, text in [("name", payload.replace(name, "x" + name)), ("digest", payload.replace(digest, "0" * 64)), ("space", payload + " ")]:
        encoded = base64.b64encode(text.encode()).decode()
        case(f"tampered payload: {what}", 1, changed(good, lambda b: b["dsseEnvelope"].update(payload=encoded)))
    signature = bytearray(base64.b64decode(good["dsseEnvelope"]["signatures"][0]["sig"]))
    for position in [0, 1, 8, len(signature) - 1]:
        tampered = bytearray(signature)
        tampered[position] ^= 1
        case(f"tampered signature at {position}", 1, changed(good, lambda b: b["dsseEnvelope"]["signatures"][0].update(
            sig=base64.b64encode(tampered).decode())))
    case("signature of the payload alone", 1, changed(good, lambda b: b["dsseEnvelope"]["signatures"][0].update(
        sig=base64.b64encode(key.sign(payload.encode(), ec.ECDSA(hashes.SHA256()))).decode())))

    # What is no signature of one file, though signed.
    def resources(change):
        return made(lambda s: change(s["predicate"]["resources"]))

    two = made(lambda s: s["predicate"]["resources"].append({"name": "z", "digest": digest, "algorithm": "sha256"}))
    signed = {
        "additional subject": made(lambda s: s["subject"].append(s["subject"][0])),
        "no subject": made(lambda s: s.update(subject=[])),
        "subject without a name": made(lambda s: s["subject"][0].pop("name")),
        "subject with another digest": made(lambda s: s["subject"][0]["digest"].update(sha256=digest)),
        "unknown predicate type": made(lambda s: s.update(predicateType="https://example.org/wrong/v1")),
        "deprecated predicate type": made(lambda s: s.update(predicateType="https://model_signing/Digests/v0.1")),
        "no predicate": made(lambda s: s.pop("predicate")),
        "predicate is a list": made(lambda s: s.update(predicate=[])),
        "another statement type": made(lambda s: s.update(_type="https://in-toto.io/Statement/v0.1")),
        "no resources": resources(lambda r: r.clear()),
        "two files": two,
        "digest in capitals": resources(lambda r: r[0].update(digest=digest.upper())),
        "short digest": resources(lambda r: r[0].update(digest=digest[:-2])),
        "digest is a number": resources(lambda r: r[0].update(digest=1)),
        "resource without algorithm": resources(lambda r: r[0].pop("algorithm")),
        "blake3": made(lambda s: s["predicate"]["serialization"].update(hash_type="blake3")),
        "resource by blake3": resources(lambda r: r[0].update(algorithm="blake3")),
        "shards": made(lambda s: s["predicate"]["serialization"].update(method="shards", shard_size=1000)),
        "no serialization": made(lambda s: s["predicate"].pop("serialization")),
        "payload is no JSON": bundle(key, b"hello"),
        "payload is a list": bundle(key, b"[]"),
        "payload is not UTF-8": bundle(key, payload.encode().replace(b"quern", b"\xff\xfe")),
        "payload ends early": bundle(key, payload[:-1].encode()),
        "paths outside of the folder": made(lambda s: s["predicate"]["serialization"].update(ignore_paths=["../a"])),
        "an absolute path": made(lambda s: s["predicate"]["serialization"].update(ignore_paths=["/a"])),
        "shard_size of files": made(lambda s: s["predicate"]["serialization"].update(shard_size=1000)),
        "more in the predicate": made(lambda s: s["predicate"].update(extra=1)),
        "more in the statement": made(lambda s: s.update(extra=1)),
        "key twice in the payload": bundle(key, payload.replace('"predicate":', '"predicateType": "x", "predicate":').encode()),
        "deep payload": bundle(key, b"[" * 50000),
    }
    for what, data in signed.items():
        case(what, 65, data)

    # What is no bundle.
    def envelope(change):
        return changed(good, lambda b: change(b["dsseEnvelope"]))

    twice = envelope(lambda e: e["signatures"].append(e["signatures"][0]))
    text = json.dumps(good)
    malformed = {
        "several signatures": twice,
        "no signature": envelope(lambda e: e.update(signatures=[])),
        "signatures missing": envelope(lambda e: e.pop("signatures")),
        "sig missing": envelope(lambda e: e["signatures"][0].pop("sig")),
        "sig empty": envelope(lambda e: e["signatures"][0].update(sig="")),
        "sig not in base 64": envelope(lambda e: e["signatures"][0].update(sig="äöü")),
        "keyid is a number": envelope(lambda e: e["signatures"][0].update(keyid=1)),
        "payload missing": envelope(lambda e: e.pop("payload")),
        "payload without padding": envelope(lambda e: e.update(payload=e["payload"].rstrip("=") + "A")),
        "another payload type": envelope(lambda e: e.update(payloadType="application/json")),
        "more in the envelope": envelope(lambda e: e.update(extra=1)),
        "no envelope": changed(good, lambda b: b.pop("dsseEnvelope")),
        "no verification material": changed(good, lambda b: b.pop("verificationMaterial")),
        "empty verification material": changed(good, lambda b: b.update(verificationMaterial={})),
        "no hint": changed(good, lambda b: b["verificationMaterial"].update(publicKey={})),
        "a certificate": changed(good, lambda b: b.update(verificationMaterial={"certificate": {"rawBytes": raw}})),
        "a chain of certificates": changed(good, lambda b: b["verificationMaterial"].update(
            x509CertificateChain={"certificates": [{"rawBytes": raw}]})),
        "another media type": changed(good, lambda b: b.update(mediaType="application/json")),
        "an older bundle": changed(good, lambda b: b.update(mediaType="application/vnd.dev.sigstore.bundle+json;version=0.1")),
        "no media type": changed(good, lambda b: b.pop("mediaType")),
        "more in the bundle": changed(good, lambda b: b.update(messageSignature={})),
        "key twice": text.replace('"mediaType":', '"mediaType": "x", "mediaType":'),
        "empty file": b"",
        "empty object": b"{}",
        "a list": b"[]",
        "text": b"hello",
        "not UTF-8": b'{"mediaType": "\xff"}',
        "NUL": b"\0" * 100,
        "more after the bundle": text + "{}",
        "a byte order mark": b"\xef\xbb\xbf" + text.encode(),
        "huge": text[:-1] + " " * 300000 + "}",
        "a huge number of members": "{" + ",".join(f'"{i}":0' for i in range(20000)) + "}",
        "deep": "[" * 100000,
        "deep objects": '{"a":' * 40000,
        "a package": open(package, "rb").read()[:100000],
    }
    for what, data in malformed.items():
        case(what, 65, data)
    # What model-signing refuses, too.
    def serialization(**members):
        return made(lambda s: s["predicate"]["serialization"].update(members))

    def number(digits):
        return bundle(key, payload.replace('"algorithm"', f'"extra": {digits}, "algorithm"').encode())

    odd = bundle(key, json.dumps(changed(plain, lambda s: s["subject"][0].update(name="~?>~?>"))).encode())
    case("a name with other characters", 0, odd)
    refused = {
        "no allow_symlinks": made(lambda s: s["predicate"]["serialization"].pop("allow_symlinks")),
        "ignored paths: a number": serialization(ignore_paths=7),
        "ignored paths: null": serialization(ignore_paths=None),
        "ignored paths: a string": serialization(ignore_paths=name),
        "ignored paths: an object": serialization(ignore_paths={name: 1}),
        **{f"ignored path {path}": serialization(ignore_paths=[path]) for path in [name, ".", "", f"./{name}/"]},
        **{f"number {digits} in the payload": number(digits) for digits in NO_NUMBERS},
        **{f"number {digits} in the bundle": text.replace(" []", f" {digits}") for digits in NO_NUMBERS},
        "the older media type of 0.3": changed(good, lambda b: b.update(
            mediaType="application/vnd.dev.sigstore.bundle+json;version=0.3")),
        **{f"tlogEntries {value}": material(tlogEntries=value) for value in [None, "x", 1, [1], [{}], [{**ENTRY, "extra": 1}]]},
        "timestamps: a number": material(timestampVerificationData=1),
        "timestamps: more": material(timestampVerificationData={"extra": 1}),
        "more about the key": changed(good, lambda b: b["verificationMaterial"]["publicKey"].update(extra=1)),
        "payload in the alphabet for addresses": changed(odd, lambda b: b["dsseEnvelope"].update(
            payload=for_addresses(b["dsseEnvelope"]["payload"]))),
    }
    for what, data in refused.items():
        case(what, 65, data)
        if not quick:
            theirs = model_signing("verify", "key", os.path.join(folder, "model"), "--signature", path, "--public_key", public)
            expect(f"model-signing: {what}", theirs.returncode != 0, theirs.stdout)
    for end in range(1, len(text), 97 if quick else 13):
        case(f"truncated at {end}", 65, text[:end])
    expect("missing signature", quern("verify", package, "--signature", "/nowhere", "--public-key", public).returncode == 66)
    expect("missing package", quern("verify", "/nowhere", "--signature", path, "--public-key", public).returncode == 66)

    # No flip of a bit of a signature of quern goes unnoticed.
    made_here = open(os.path.join(folder, "p256.sig"), "rb").read().rstrip(b"\n")
    for bit in range(0, 8 * len(made_here), 997 if quick else 61):
        spoiled = bytearray(made_here)
        spoiled[bit // 8] ^= 1 << bit % 8
        result = verify(bytes(spoiled))
        expect(f"flip of bit {bit}", result.returncode in (1, 65), result.stdout)


def check_documents(folder):
    """Signing, provenance and bill of materials of a conversion."""
    package = os.path.join(folder, "signed.quern")
    reports = [os.path.join(folder, name) for name in ["provenance.intoto.json", "bom.cdx.json"]]
    arguments = [*CONVERT, "-o", package, "--sign-key", os.path.join(folder, "p256.pem")]
    for report in reports:
        arguments += ["--report", report]
    contents = []
    for environment in [{}, {}, {"SOURCE_DATE_EPOCH": "1767225600"}]:
        result = quern(*arguments, **environment)
        expect("signed conversion", result.returncode == 0, result.stderr)
        contents.append([open(path).read() for path in [*reports]])
    expect("documents are deterministic", contents[0] == contents[1])
    expect("documents state no time", "startedOn" not in contents[0][0] and "timestamp" not in contents[0][1])
    expect("documents state a given time", "2026-01-01T00:00:00Z" in contents[2][0] and "2026-01-01T00:00:00Z" in contents[2][1])
    failing = os.path.join(folder, "failing.quern")
    result = quern(*CONVERT, "-o", failing, "--sign-key", os.path.join(folder, "p256.pem"), "--max-mean-drift", "0.0000001",
                   "--effort", "fast")
    expect("a package that fails its gates is not signed", result.returncode == 1 and not os.path.exists(failing + ".sig"))
    public = os.path.join(folder, "p256.pub")
    result = quern("inspect", package, "--signature", package + ".sig", "--public-key", public)
    expect("inspect names the signer", result.returncode == 0 and "signed by key SHA-256" in result.stdout, result.stderr)
    result = quern("inspect", package)
    expect("inspect without signature", "stated, not signed" in result.stdout)

    digest = hashlib.sha256(open(package, "rb").read()).hexdigest()
    checkpoint = hashlib.sha256(open(CHECKPOINT, "rb").read()).hexdigest()
    for provenance, bom in contents:
        document = json.loads(provenance)
        # Refuses members that the specifications do not have.
        Statement.copy_from_pb(json_format.Parse(provenance, statement_pb2.Statement())).validate()
        predicate = json_format.ParseDict(document["predicate"], provenance_pb2.Provenance())
        definition, run = predicate.build_definition, predicate.run_details
        for descriptor in [*definition.resolved_dependencies, *run.byproducts]:
            resource_descriptor.ResourceDescriptor.copy_from_pb(descriptor).validate()
        expect("provenance is complete", definition.build_type and definition.external_parameters and run.builder.id)
        expect("provenance is of the package", document["subject"][0]["digest"]["sha256"] == digest)
        dependencies = document["predicate"]["buildDefinition"]["resolvedDependencies"]
        expect("provenance names the checkpoint", dependencies[0]["digest"]["sha256"] == checkpoint)
        errors = JsonStrictValidator(SchemaVersion.V1_6).validate_str(bom)
        expect("bill of materials is valid", errors is None, errors)
        component = json.loads(bom)["metadata"]["component"]
        expect("bill of materials is of the package", component["hashes"][0]["content"] == digest)
        expect("ancestor", component["pedigree"]["ancestors"][0]["hashes"][0]["content"] == checkpoint)
        metrics = component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]
        expect("metrics", metrics[0]["type"] == "mean drift" and "confidenceInterval" in metrics[0])
        expect("licence", component["licenses"] == [{"expression": "Apache-2.0"}])


def main():
    quick = "--quick" in sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        package = os.path.join(folder, "demo.quern")
        result = quern(*CONVERT, "-o", package)
        assert result.returncode == 0, result.stderr
        keys = {name: ec.generate_private_key(curve()) for name, (curve, _) in CURVES.items()}
        compare_both_ways(folder, package, keys)
        check_keys(folder, package, keys["p256"])
        check_bundles(folder, package, keys, quick)
        check_documents(folder)
    print(f"{count} checks of signatures and documents, {len(failures)} failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
