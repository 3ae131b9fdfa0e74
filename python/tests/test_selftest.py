"""Self-tests of this machine, and of one that is made to look broken by a package that states other results."""

import hashlib
import struct

import pytest

import quern

SELF_TEST = 7  # the kind of the section (formats/package.md)


def sections(data):
    """The entries of the index and the stored bytes of the sections."""
    index, length = struct.unpack_from("<QQ", data, 32)
    for place in range(index, index + length, 96):
        start, size = struct.unpack_from("<QQ", data, place + 8)
        yield bytearray(data[place : place + 96]), data[start : start + size]


def written(header, contents):
    """A package of sections as formats/package.md lays them out."""
    data, index = bytearray(header[:160]), bytearray()
    for entry, section in contents:
        data += bytes(-len(data) % 64)
        struct.pack_into("<QQ", entry, 8, len(data), len(section))
        index += entry
        data += section
    data += bytes(-len(data) % 64)
    struct.pack_into("<QQQ", data, 24, len(data) + len(index), len(data), len(index))
    data[64:96] = hashlib.sha256(index).digest()
    data[128:160] = hashlib.sha256(data[:128]).digest()
    return bytes(data + index)


def wrong_package(package, value, *, kind=1, images=(1, 48, 64)):
    """A package that states a wrong hash for a value, by default of bits that are specified, and nothing else."""
    implementation = b"tests"
    record = struct.pack("<I", len(implementation)) + implementation
    # The seed, the number of images, their height and width, the number of checks; a check.
    record += struct.pack("<QIIII", 1, *images, 1) + struct.pack("<IBQ", value, kind, 0)
    data = package.read_bytes()
    contents = []
    for entry, section in sections(data):
        if entry[0] == SELF_TEST:
            entry[1] = 0  # not compressed
            struct.pack_into("<Q", entry, 24, len(record))
            entry[32:96] = 2 * hashlib.sha256(record).digest()
            contents.append((entry, record))
        else:
            contents.append((entry, section))
    return written(data, contents)


def test_this_machine_passes(package):
    with quern.open(package) as model:
        result = model.selftest(scalar=True, threads=2, check=True)
        assert result.passed
        # The best tier first, and the scalar one last.
        names = [tier.tier for tier in result.tiers]
        assert {name for name in names if name != "auto"} == set(quern.tiers())
        assert names[-1] == "scalar"
        for tier in result.tiers:
            assert tier.passed
            assert (tier.difference, tier.layer, tier.op, tier.first_suspect) == (None, None, None, None)
            assert (tier.different_layers, tier.suspect_layers, tier.skipped_checks) == (0, 0, 0)
            assert (tier.threads, tier.failed_threads) == (2, 0)
            assert tier.checks > 50
        assert [tier.tier for tier in model.selftest().tiers] == (names[:-1] or names)
        assert [tier.tier for tier in model.selftest(tier="scalar").tiers] == ["scalar"]


def test_differences_are_named(package):
    with quern.open(wrong_package(package, 10)) as model, quern.open(package) as sound:
        # For everyone else, it is the same package.
        assert model.content_hash == sound.content_hash
        result = model.selftest()
        assert not result.passed
        for tier in result.tiers:
            assert not tier.passed
            # No other layer has a check, so that it may be any of those before it.
            assert (tier.difference, tier.checks, tier.different_layers) == ("bits", 1, 1)
            assert tier.suspect_layers > 1
            assert tier.first_suspect != tier.layer
            assert tier.failed_threads == tier.threads
            assert tier.tier in result.summary
            assert tier.layer in result.summary
        other = quern.open(wrong_package(package, 11)).selftest()
        assert other.tiers[0].layer != result.tiers[0].layer
        assert other.tiers[0].first_suspect == result.tiers[0].first_suspect
        first = quern.open(wrong_package(package, 1)).selftest().tiers[0]
        assert (first.layer, first.suspect_layers) == (first.first_suspect, 1)
        with pytest.raises(quern.SelfTestFailed) as caught:
            model.selftest(check=True)
        assert caught.value.result == result
        assert str(caught.value) == result.summary


def test_tests_that_show_nothing_are_refused(package):
    with (
        quern.open(wrong_package(package, 1, kind=2)) as model,
        pytest.raises(quern.BadDataError, match="compares no output"),
    ):
        model.selftest()


@pytest.mark.parametrize("images", [(16, 8192, 8192), (1, 8192, 64), (1, 64, 72), (16, 64, 64), (17, 1, 1)])
def test_tests_that_are_larger_than_the_package_are_refused(package, images):
    with (
        quern.open(wrong_package(package, 1, images=images)) as model,
        pytest.raises(quern.BadDataError, match=r"height|width|image count"),
    ):
        model.selftest()


def test_errors(package):
    data = package.read_bytes()
    without = written(data, [(entry, section) for entry, section in sections(data) if entry[0] != SELF_TEST])
    with quern.open(without) as old, pytest.raises(quern.NoSelfTestError, match="no self-test"):
        old.selftest()
    with quern.open(package) as model:
        with pytest.raises(quern.InvalidArgumentError, match="there is no tier 'mmx'"):
            model.selftest(tier="mmx")
        with pytest.raises(quern.NotAvailableError):
            model.selftest(tier="avx2" if "neon" in quern.tiers() else "neon")
        with pytest.raises(quern.InvalidArgumentError):
            model.selftest(threads=0)
        with pytest.raises(quern.InvalidArgumentError, match="at most 4096"):
            model.selftest(threads=5000)
    with pytest.raises(quern.InvalidArgumentError, match="closed"):
        model.selftest()
