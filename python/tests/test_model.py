"""Models: embeddings bit for bit those of the tool, what a package states, lifetimes, threads and processes."""

import gc
import json
import math
import mmap
import os
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from conftest import CHECKPOINT, PHOTOGRAPHS, ROOT, run_tool, same_bits
from safetensors.numpy import load_file

import quern


@pytest.fixture
def model(package):
    with quern.open(package) as model:
        yield model


def pixels(path):
    with PIL.Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


# Embedding


@pytest.mark.parametrize("form", ["paths", "strings", "files", "PIL", "arrays", "column", "generator", "mixed"])
def test_embeddings_are_the_bits_of_the_tool(model, photographs, expected, form):
    forms = {
        "paths": lambda: photographs,
        "strings": lambda: list(map(str, photographs)),
        "files": lambda: [path.read_bytes() for path in photographs],
        "PIL": lambda: (PIL.Image.fromarray(pixels(path)) for path in photographs),
        "arrays": lambda: [pixels(path) for path in photographs],
        "column": lambda: np.array(list(map(str, photographs))),
        "generator": lambda: (path for path in photographs),
        "mixed": lambda: [pixels(path) if index % 2 else path for index, path in enumerate(photographs)],
    }
    assert same_bits(model.embed(forms[form]()), expected[0])


def test_an_array_of_images(model, photographs, expected):
    shape = pixels(photographs[0]).shape
    rows = [index for index, path in enumerate(photographs) if pixels(path).shape == shape]
    assert len(rows) > 4
    images = np.stack([pixels(photographs[index]) for index in rows])
    assert same_bits(model.embed(images), expected[0][rows])
    assert same_bits(model.embed(images[::2]), expected[0][rows[::2]])


def test_logits_are_the_bits_of_the_tool(model, photographs, expected):
    assert same_bits(model.logits(photographs), expected[1])
    outputs = model.outputs(photographs)
    assert same_bits(outputs.embeddings, expected[0])
    assert same_bits(outputs.logits, expected[1])


@pytest.mark.parametrize("batch_size", [1, 7, 96, 1000])
@pytest.mark.parametrize("threads", [1, 3])
def test_neither_batches_nor_threads_change_a_bit(package, photographs, expected, batch_size, threads):
    with quern.open(package, threads=threads) as model:
        assert same_bits(model.embed(photographs, batch_size=batch_size), expected[0])


def test_no_tier_changes_a_bit(package, photographs, expected):
    assert len(quern.tiers()) >= 2
    for tier in quern.tiers():
        with quern.open(package, tier=tier) as model:
            assert same_bits(model.embed(photographs[:8]), expected[0][:8]), tier


def test_one_image_is_a_row(model, photographs, expected):
    for image in (photographs[0], photographs[0].read_bytes(), pixels(photographs[0]), PIL.Image.open(photographs[0])):
        assert same_bits(model.embed(image), expected[0][:1])
        getattr(image, "close", lambda: None)()


def test_no_images_are_no_rows(model):
    assert model.embed([]).shape == (0, model.dimension)
    assert model.embed(np.zeros((0, 8, 8, 3), np.uint8)).shape == (0, model.dimension)


def test_images_of_different_sizes_and_parts_of_arrays(model, tmp_path):
    large = np.random.default_rng(1).integers(0, 256, (120, 90, 3), np.uint8)
    images = [large, large[10:70, 5:85], large[::2], large[:, ::-1], large[:1], np.full((200, 300, 3), 7, np.uint8)]
    files = []
    for index, image in enumerate(images):
        files.append(tmp_path / f"{index}.png")
        PIL.Image.fromarray(np.ascontiguousarray(image)).save(files[-1])
    package = tmp_path / "square.quern"
    run_tool(
        "convert",
        CHECKPOINT,
        "--calibration",
        PHOTOGRAPHS,
        "--size",
        "64",
        "--effort",
        "fast",
        "-o",
        package,
        "--quiet",
    )
    run_tool("embed", package, *files, "-o", tmp_path / "outputs.safetensors")
    expected = load_file(tmp_path / "outputs.safetensors")["normalized_embedding"]
    with quern.open(package) as square:
        assert square.crop == "square"
        assert same_bits(square.embed(images), expected)
        assert same_bits(square.embed(files), expected)


def test_other_sizes_and_exponents(package, photographs, tmp_path):
    run_tool("embed", package, *photographs[:9], "--size", "64:5", "--size", "96", "-o", tmp_path / "a.safetensors")
    with quern.open(package, size=96) as at_96, quern.open(package, pooling_exponent=5) as at_64:
        large, small = (load_file(tmp_path / f"a-{size}.safetensors")["normalized_embedding"] for size in (96, 64))
        assert same_bits(at_96.embed(photographs[:9]), large)
        assert same_bits(at_64.embed(photographs[:9]), small)
        assert (at_96.pooling_exponent, at_64.pooling_exponent) == (4, 5)
        with at_64.resized(96) as resized:
            assert same_bits(resized.embed(photographs[:9]), large)
        assert same_bits(at_64.embed(photographs[:9]), small)


def test_classes_are_those_of_the_tool(package, model, photographs):
    printed = json.loads(run_tool("classify", package, *photographs[:5], "--top", "3", "--json"))["images"]
    found = model.classify(photographs[:5], top=3)
    for image, classes in zip(printed, found, strict=True):
        assert [(entry["index"], entry.get("label")) for entry in image["classes"]] == [
            (entry.index, entry.label) for entry in classes
        ]
        assert [entry.probability for entry in classes] == pytest.approx(
            [entry["probability"] for entry in image["classes"]], rel=1e-12
        )


def test_images_are_streamed(model, photographs, expected):
    alive, most = 0, 0

    def ended():
        nonlocal alive
        alive -= 1

    def images():
        nonlocal alive, most
        for path in photographs:
            array = np.array(pixels(path))
            weakref.finalize(array, ended)
            alive += 1
            most = max(most, alive)
            yield array

    assert same_bits(model.embed(images(), batch_size=4), expected[0])
    assert 4 <= most <= 16


# What a package states


def test_statements_are_those_of_inspect(package, model):
    stated = json.loads(run_tool("inspect", package, "--json"))
    assert model.dimension == stated["embedding_dimension"]
    assert model.classes == stated["classes"]
    assert model.sizes == tuple(size["size"] for size in stated["sizes"]) == (64, 96)
    assert (model.size, model.crop, model.resize, model.crop_ratio) == (64, "rect", "bilinear", stated["crop_ratio"])
    assert model.architecture == stated["architecture"]
    assert model.content_hash == stated["content_hash"]
    assert model.format_version == stated["format_version"]
    assert model.pooling_exponent == stated["pooling_exponent"]
    assert model.architecture in repr(model)


@pytest.mark.parametrize("size", [64, 96])
def test_fidelity_is_that_of_inspect(package, size):
    metadata = json.loads(run_tool("inspect", package, "--json"))["metadata"]
    report = metadata["fidelity"]
    entry = next(entry for entry in report["sizes"] if entry["size"] == size)
    with quern.open(package, size=size) as model:
        fidelity = model.fidelity
    assert (fidelity.size, fidelity.passed, fidelity.verdict) == (size, entry["passed"], report["verdict"])
    assert (fidelity.images, fidelity.labelled_images) == (entry["images"], entry["labelled_images"])
    for name in ("mean", "p50", "p95", "p99", "max", "std"):
        assert getattr(fidelity, f"drift_{name}") == entry["drift"][name]
    assert fidelity.agreement_top1 == entry["agreement"]["top1"]
    assert fidelity.agreement_top5 == entry["agreement"]["top5"]
    assert fidelity.decisive_top1 == entry["decisive_agreement"]["top1"]
    assert fidelity.float_top1 is entry["float"]["top1"] is None
    assert fidelity.neighbour_top1 == entry["neighbours"]["int8_in_int8"]["top1"]


def test_fidelity_is_none_where_it_was_not_measured(package):
    with quern.open(package, size=80) as model:
        assert model.fidelity is None
    with quern.open(package, pooling_exponent=7) as model:
        assert model.fidelity is None
    with quern.open(package, size=96, pooling_exponent=4) as model:
        assert model.fidelity is not None


def test_metadata(package, model):
    source = json.loads(run_tool("inspect", package, "--json"))["metadata"]["source"]
    assert model.metadata["source"]["sha256"] == source["sha256"]


def test_labels(tmp_path, photographs):
    names = [f"class {index:02}" for index in range(50)]
    for index, name in enumerate(names):
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "image.jpg").symlink_to(photographs[index])
    package = tmp_path / "labelled.quern"
    run_tool(
        "convert", CHECKPOINT, "--calibration", tmp_path / "images", "--size", "64", "--effort", "fast", "-o", package,
        "--quiet",
    )  # fmt: skip
    with quern.open(package) as model:
        assert model.labels == tuple(names)
        assert model.classify(photographs[0])[0][0].label in names


def test_memory(model):
    memory = model.peak_memory()
    assert memory.model_bytes > 500_000
    assert memory.peak_bytes >= memory.model_bytes + memory.session_bytes
    assert model.peak_memory(256).session_bytes > memory.session_bytes
    assert model.peak_memory(image=(4000, 3000)).session_bytes > memory.session_bytes


# Opening


def test_packages_in_memory(package, photographs, expected):
    data = package.read_bytes()
    with package.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        unaligned = memoryview(b"\0" + data)[1:]
        for source in (data, bytearray(data), unaligned, np.frombuffer(data, np.uint8), mapped):
            with quern.open(source) as model:
                assert same_bits(model.embed(photographs[:2]), expected[0][:2])
            del model
        gc.collect()


def test_memory_of_a_package_is_kept(package, photographs, expected):
    data = bytearray(package.read_bytes())
    model = quern.open(data)
    with pytest.raises(BufferError):
        data.clear()
    del data
    gc.collect()
    blocks = [bytearray(1_400_000) for _ in range(8)]  # would reuse the memory if it had been freed
    assert same_bits(model.embed(photographs[:2]), expected[0][:2])
    del blocks


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"size": 0}, quern.InvalidArgumentError, "size must be at least 1"),
        ({"size": 100_000}, quern.InvalidArgumentError, None),
        ({"size": 1.5}, TypeError, None),
        ({"threads": 0}, quern.InvalidArgumentError, "threads must be at least 1"),
        ({"tier": "mmx"}, quern.InvalidArgumentError, "no tier 'mmx'"),
        ({"pooling_exponent": -1}, quern.InvalidArgumentError, "positive"),
        ({"pooling_exponent": math.nan}, quern.InvalidArgumentError, "positive"),
    ],
)
def test_wrong_arguments(package, arguments, error, message):
    with pytest.raises(error, match=message):
        quern.open(package, **arguments)


def test_tiers_of_other_processors(package):
    for tier in {"scalar", "avx2", "avx512vnni", "neon", "neondot"} - set(quern.tiers()):
        with pytest.raises(quern.NotAvailableError, match=tier):
            quern.open(package, tier=tier)


def test_other_files(package, tmp_path):
    with pytest.raises(quern.NotFoundError, match="absent"):
        quern.open(tmp_path / "absent.quern")
    with pytest.raises(FileNotFoundError):
        quern.open(str(tmp_path / "absent.quern"))
    with pytest.raises(quern.InvalidArgumentError, match="zero byte"):
        quern.open(f"{package}\0")
    with pytest.raises(quern.InvalidArgumentError, match="not UTF-8"):
        quern.open(f"{package}\udcff")
    with pytest.raises(quern.InputOutputError):
        quern.open(tmp_path)
    with pytest.raises(quern.BadDataError):
        quern.open(CHECKPOINT)
    data = bytearray(package.read_bytes())
    with pytest.raises(quern.BadDataError):
        quern.open(bytes(data[: len(data) // 2]))
    with pytest.raises(quern.BadDataError):
        quern.open(b"")
    data[len(data) // 2] ^= 1
    with pytest.raises(quern.BadDataError):
        quern.open(data)
    with pytest.raises(TypeError, match="not from int"):
        quern.open(3)
    with pytest.raises(quern.InvalidArgumentError, match="contiguous"):
        quern.open(memoryview(data)[::2])


def test_errors_of_images(model, photographs, tmp_path):
    with pytest.raises(quern.ImageError):
        model.embed([photographs[0], CHECKPOINT])
    with pytest.raises(quern.NotFoundError):
        model.embed([photographs[0], tmp_path / "absent.jpg"])
    with pytest.raises(quern.ImageSizeError):
        model.embed(np.zeros((1, 1000, 3), np.uint8))
    with pytest.raises(quern.InvalidArgumentError, match="batch_size"):
        model.embed(photographs, batch_size=0)
    assert model.embed(photographs[0]).shape == (1, model.dimension)


# Lifetime


def test_closed_models(package, photographs):
    model = quern.open(package)
    other = model.resized(96)
    model.close()
    model.close()
    assert repr(model) == "<quern.Model, closed>"
    for use in (lambda: model.embed(photographs[0]), lambda: model.dimension, lambda: model.fidelity):
        with pytest.raises(quern.InvalidArgumentError, match="closed"):
            use()
    assert other.embed(photographs[0]).shape == (1, other.dimension)
    other.close()


def test_closing_while_images_are_embedded(package, photographs, expected):
    model = quern.open(package)

    def images():
        for index, path in enumerate(photographs):
            if index == 40:
                model.close()
            yield path

    assert same_bits(model.embed(images(), batch_size=8), expected[0])


def test_models_are_freed(package, photographs):
    def resident():
        with Path("/proc/self/statm").open() as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    sizes = []
    for _ in range(40):
        with quern.open(package, threads=2) as model:
            model.embed(photographs[:4])
        sizes.append(resident())
    # Each model has 1.4 MB of weights, and a session about as much.
    assert sizes[-1] - sizes[10] < 10_000_000


# Threads and processes


def test_threads_share_a_model(package, photographs, expected):
    with quern.open(package, threads=1) as model, ThreadPoolExecutor(8) as executor:
        found = list(executor.map(lambda index: model.embed(photographs[index::24]), list(range(24)) * 4))
    for index, embeddings in enumerate(found):
        assert same_bits(embeddings, expected[0][index % 24 :: 24])


def test_the_interpreter_lock_is_released(package):
    images = np.zeros((64, 300, 300, 3), np.uint8)
    with quern.open(package, size=512, threads=1) as model:
        count = 0
        ends = threading.Event()

        def work():
            model.embed(images, batch_size=64)
            ends.set()

        # One call of the library: without the lock, this thread would count only before and after it.
        thread = threading.Thread(target=work)
        thread.start()
        while not ends.wait(0.01):
            count += 1
        thread.join()
    assert count > 3


def test_forked_processes_use_the_model(package, photographs, expected):
    program = f"""
import os, sys
import numpy as np
import quern
model = quern.open({os.fspath(package)!r}, threads=3)
paths = {[os.fspath(path) for path in photographs[:6]]!r}
before = model.embed(paths)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(model.embed(paths), before) else 3)
after = model.embed(paths)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(status if np.array_equal(after, before) else 4)
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", program], check=True, timeout=60)


def test_models_may_be_open_when_the_process_ends(package):
    program = f"""
import threading, quern, numpy
model = quern.open({os.fspath(package)!r}, size=512)
images = numpy.zeros((64, 300, 300, 3), numpy.uint8)
model.embed(images[:1])
threading.Thread(target=lambda: [model.embed(images) for _ in range(9)], daemon=True).start()
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_the_example_of_the_specification():
    with pytest.raises(quern.UnsupportedError, match="toy"):
        quern.open(ROOT / "fixtures/packages/version-1.0.quern")
