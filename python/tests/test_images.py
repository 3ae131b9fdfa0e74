"""Images: decoding against recorded pixels of the tool, kinds of arrays, and the order and size of batches."""

import csv
import io
import threading
import zlib

import numpy as np
import PIL.Image
import pytest
from conftest import ROOT

import quern
from quern import _images

IMAGES = ROOT / "fixtures/images"
with (IMAGES / "decoded.tsv").open(newline="") as table:
    DECODED = list(csv.reader(table, delimiter="\t"))


@pytest.mark.parametrize(("name", "width", "height", "crc"), DECODED, ids=[row[0] for row in DECODED])
def test_files_decode_to_the_pixels_of_the_tool(name, width, height, crc):
    pixels = _images.decode(IMAGES / name)
    assert (pixels.shape, pixels.dtype) == ((int(height), int(width), 3), np.uint8)
    assert f"{zlib.crc32(pixels.tobytes()):08x}" == crc
    assert np.array_equal(_images.decode((IMAGES / name).read_bytes()), pixels)


@pytest.mark.parametrize(
    "name", ["cut-baseline.jpg", "cut-progressive.jpg", "cut.png", "cut-interlaced.png", "cut-lossy.webp"]
)
def test_files_that_end_early_are_refused(name, tmp_path):
    data = (IMAGES / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(quern.ImageError, match=name):
        _images.decode(tmp_path / name)


@pytest.mark.parametrize("data", [b"", b"no image", b"GIF89a\1\0\1\0\0\0\0;"], ids=["empty", "text", "gif"])
def test_other_files_are_refused(data, tmp_path):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(quern.ImageError, match="not a JPEG, PNG or WebP"):
        _images.decode(tmp_path / "file")


def test_animations_are_refused():
    with pytest.raises(quern.ImageError, match="animated"):
        _images.decode(IMAGES / "animated.webp")


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(quern.NotFoundError, match=r"absent\.jpg"):
        _images.decode(tmp_path / "absent.jpg")
    with pytest.raises(FileNotFoundError):
        _images.decode(tmp_path / "absent.jpg")
    with pytest.raises(quern.InputOutputError, match="directory"):
        _images.decode(tmp_path)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_modes_without_a_range_are_refused(mode):
    with pytest.raises(quern.ImageError, match=f"mode {mode}"):
        _images.pixels_of_image(PIL.Image.new(mode, (2, 2)), "the image")


@pytest.mark.parametrize(
    ("path", "shown", "reason"),
    [
        ("a\0b\x1b.jpg", r"a\u{0}b\u{1B}.jpg", "zero byte"),
        ("a\ud800.jpg", r"a\u{D800}.jpg", "half of a surrogate pair"),
    ],
)
def test_paths_that_no_file_has(path, shown, reason):
    with pytest.raises(quern.InvalidArgumentError) as caught:
        _all(path)
    assert str(caught.value).startswith(shown + ": ")
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("path", "shown"), [("a\u202e\n\udcff.jpg", r"a\u{202E}\u{A}\u{DCFF}.jpg"), ("ä\u00a0 .jpg", "ä\u00a0 .jpg")]
)
def test_names_in_messages_are_printable(path, shown, tmp_path):
    with pytest.raises(quern.NotFoundError) as caught:
        _all(tmp_path / path)
    assert f"/{shown}: " in str(caught.value)


def test_arrays_that_cannot_be_copied():
    wide = np.lib.stride_tricks.as_strided(np.zeros(3, np.uint8), (1 << 40, 90, 3), (0, 0, 1))
    with pytest.raises(quern.OutOfMemoryError, match="not enough memory"):
        _all(wide)
    with pytest.raises(MemoryError):
        _all([wide])


def test_alpha_is_dropped():
    image = PIL.Image.new("RGBA", (1, 1), (10, 20, 30, 0))
    assert _images.pixels_of_image(image, "the image").tolist() == [[[10, 20, 30]]]


def _all(images, batch_size=32):
    return list(_images.batches(images, batch_size, workers=2))


def test_arrays_of_rows_that_are_apart_are_not_copied():
    array = np.arange(8 * 10 * 3, dtype=np.uint8).reshape(8, 10, 3)
    ((row,),) = _all(array[2:6, 1:7])
    assert np.shares_memory(row, array)
    ((mirrored,),) = _all(array[:, ::-1])
    assert np.array_equal(mirrored, array[:, ::-1])
    assert mirrored.flags.c_contiguous
    ((upside_down,),) = _all(array[::-1])
    assert np.array_equal(upside_down, array[::-1])
    assert upside_down.strides[0] > 0


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 3), np.float32), "uint8"),
        (np.zeros((4, 4), np.uint8), r"\[height, width, 3\]"),
        (np.zeros((3, 4, 4), np.uint8), "channels last"),
        (np.zeros((4, 4, 4), np.uint8), r"\[height, width, 3\]"),
        (np.zeros((0, 4, 3), np.uint8), "no pixels"),
    ],
)
def test_other_arrays_are_refused(array, message):
    with pytest.raises(quern.ImageError, match=message):
        _all(array)


@pytest.mark.parametrize("images", [3, None, [3], [None]])
def test_other_types_are_refused(images):
    with pytest.raises(TypeError, match=r"not (int|NoneType)"):
        _all(images)


def test_objects_that_make_arrays_are_taken():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.ones((2, 3, 4, 3), np.uint8)

    assert [len(batch) for batch in _all(Tensor())] == [2]


def test_batches_keep_order_and_size(photographs):
    expected = [_images.decode(path) for path in photographs[:11]]
    mixed = [path if index % 3 else PIL.Image.open(path) for index, path in enumerate(photographs[:11])]
    found = _all(mixed, batch_size=4)
    assert [len(batch) for batch in found] == [4, 4, 3]
    flat = [pixels for batch in found for pixels in batch]
    assert all(np.array_equal(one, other) for one, other in zip(flat, expected, strict=True))
    for image in mixed[::3]:
        image.close()


def test_large_images_make_short_batches():
    large = np.zeros((3000, 3000, 3), np.uint8)
    assert [len(batch) for batch in _all([large] * 5)] == [2, 2, 1]


def test_generators_are_read_on_the_calling_thread_and_not_far_ahead(photographs):
    read = []

    def source():
        for path in photographs:
            read.append(threading.get_ident())
            yield path

    stream = _images.batches(source(), 4, workers=2)
    next(stream)
    assert len(read) < 16
    assert set(read) == {threading.get_ident()}
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("quern-decode")]


def test_an_error_comes_in_the_order_of_the_images(photographs):
    stream = _images.batches([photographs[0], io.BytesIO(), photographs[1]], 1, workers=2)
    with pytest.raises(TypeError, match="BytesIO"):
        list(stream)
    stream = _images.batches([photographs[0], b"broken", photographs[1]], 1, workers=2)
    assert len(next(stream)) == 1
    with pytest.raises(quern.ImageError):
        next(stream)
