import io
import resource
import struct
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from shelfsure.core.errors import (
    OversizedPhotoError,
    PhotoError,
    TruncatedPhotoError,
    UnreadablePhotoError,
)
from shelfsure.vision.exif import exif_orientation
from shelfsure.vision.formats import describe, identify
from shelfsure.vision.load import DecodedPhoto, decode_photo, photo_bytes

KINDS = [
    "jpeg", "jpeg-progressive", "jpeg-cmyk", "jpeg-mpo", "png", "png-palette", "png-animated",
    "gif", "gif-animated", "bmp", "tiff", "tiff-lzw", "tiff-cmyk", "webp", "webp-lossless",
    "webp-animated", "avif",
]  # fmt: skip
PARTLY_READABLE = ["jpeg", "jpeg-progressive", "png", "gif", "bmp", "tiff"]


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels(photo: DecodedPhoto) -> np.ndarray:
    assert photo.image.mode == "RGB"
    return np.asarray(photo.image).astype(int)


def noise(rng: np.random.Generator, width: int, height: int) -> Image.Image:
    """Blocks of 8 px in random colours: detail enough that a shift of half a pixel shows."""
    blocks = rng.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return Image.fromarray(blocks.repeat(8, 0).repeat(8, 1)[:height, :width].copy())


# --- what comes in -------------------------------------------------------------------------------


def test_photo_bytes_reads_paths_and_passes_bytes_on(tmp_path: Path) -> None:
    path = tmp_path / "ü photo.jpg"
    path.write_bytes(b"abc")
    assert photo_bytes(path) == photo_bytes(str(path)) == photo_bytes(b"abc") == b"abc"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "gone.jpg", r"gone\.jpg.*No such file"),
        (lambda folder: folder, "Is a directory"),
        (lambda _: "a\0b.jpg", "null byte"),
        (lambda _: b"", "got 0 bytes"),
    ],
)
def test_photo_bytes_says_why_nothing_can_be_read(
    make: Callable[[Path], str | Path | bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UnreadablePhotoError, match=message):
        photo_bytes(make(tmp_path))


def test_photo_bytes_refuses_one_byte_too_many(tmp_path: Path) -> None:
    path = tmp_path / "big.jpg"
    path.write_bytes(bytes(11))
    for source in (path, bytes(11)):
        with pytest.raises(OversizedPhotoError, match="at most 10 bytes"):
            photo_bytes(source, max_bytes=10)
    assert len(photo_bytes(path, max_bytes=11)) == 11


# --- formats and modes ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(1, 1), (40, 30), (2600, 2300)], ids=str)
def test_pixels_are_the_images(size: tuple[int, int], rng: np.random.Generator) -> None:
    """Also of an image that Pillow keeps in several pieces."""
    colours = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    photo = DecodedPhoto(Image.fromarray(colours), *size, (0, 0, *size))
    np.testing.assert_array_equal(photo.pixels[..., :3].numpy(), colours)


def test_photos_fixture_covers_every_kind(photos: dict[str, bytes]) -> None:
    assert sorted(photos) == sorted(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_decode_photo_shows_the_picture_in_every_format(
    kind: str, photos: dict[str, bytes], picture: Image.Image
) -> None:
    photo = decode_photo(photos[kind])
    assert (photo.width_px, photo.height_px, photo.box) == (48, 32, (0, 0, 48, 32))
    reference = np.asarray(picture.convert("CMYK").convert("RGB") if "cmyk" in kind else picture)
    # Quarters of a lossy photo bleed into each other at their edges, so their middles are compared.
    middle = np.s_[4:12, 4:20], np.s_[4:12, 28:44], np.s_[20:28, 4:20], np.s_[20:28, 28:44]
    for quarter in middle:
        assert np.abs(pixels(photo)[quarter] - reference[quarter]).max() <= 8


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_decode_photo_scales_16_bits_to_8(kind: str, order: str) -> None:
    levels = np.arange(256, dtype=np.uint16) * 257
    image = Image.frombytes("I;16" if order[0] == "<" else "I;16B", (256, 1), levels.astype(order))
    shown = pixels(decode_photo(encoded(image, kind)))
    assert np.array_equal(shown, np.arange(256)[None, :, None].repeat(3, 2))


def test_decode_photo_rounds_16_bits_to_the_nearest_level() -> None:
    image = Image.fromarray(np.array([[128, 129, 65_406, 65_407]], np.uint16))
    assert pixels(decode_photo(encoded(image, "PNG")))[0, :, 0].tolist() == [0, 1, 254, 255]


@pytest.mark.parametrize("mode", ["LA", "RGBA", "PA"])
def test_decode_photo_lays_transparency_on_white(mode: str) -> None:
    image = Image.new("RGBA", (3, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    image.putpixel((2, 0), (0, 0, 0, 51))
    data = encoded(image.convert(mode), "TIFF" if mode == "PA" else "PNG")
    assert pixels(decode_photo(data))[0, :, 0].tolist() == [0, 255, 204]


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_decode_photo_lays_a_transparent_palette_colour_on_white(kind: str) -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    shown = pixels(decode_photo(encoded(image, kind, transparency=1)))
    assert shown[0].tolist() == [[10, 20, 30], [255, 255, 255]]


def test_decode_photo_reads_palette_opacity_grey_and_single_bits() -> None:
    palette = Image.new("P", (2, 1))
    palette.putpalette([0, 0, 0, 0, 0, 0])
    palette.putpixel((1, 0), 1)
    opacity = decode_photo(encoded(palette, "PNG", transparency=bytes([255, 51])))
    assert pixels(opacity)[0, :, 0].tolist() == [0, 204]
    grey = decode_photo(encoded(Image.new("L", (1, 1), 77), "PNG"))
    assert pixels(grey).tolist() == [[[77, 77, 77]]]
    key = decode_photo(encoded(Image.new("RGB", (1, 1), (1, 2, 3)), "PNG", transparency=(1, 2, 3)))
    assert pixels(key).tolist() == [[[255, 255, 255]]]
    bit = decode_photo(encoded(Image.new("1", (1, 1), 1), "PNG"))
    assert pixels(bit).tolist() == [[[255, 255, 255]]]


@pytest.mark.parametrize("mode", ["F", "I"])
def test_decode_photo_refuses_32_bit_samples(mode: str) -> None:
    with pytest.raises(UnreadablePhotoError, match="8 or 16 bits"):
        decode_photo(encoded(Image.new(mode, (4, 4)), "TIFF"))


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"%PDF-1.7\n", "a PDF"),
        (b"%!PS-Adobe-3.0 EPSF", "PostScript"),
        (b"8BPS\0\1", "a Photoshop file"),
        (b"<?xml version='1.0'?>\n<svg xmlns='x'/>", "an SVG drawing"),
        (b"  <!DOCTYPE html><html>", "a web page"),
        (b"<?xml version='1.0'?><a/>", "XML"),
        (b"404 not found, please try again later\n", "text"),
        (b"PK\3\4rest", "a ZIP archive"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "a HEIC photo"),
        (b"\1\2\3", "unknown data starting with the bytes 01 02 03"),
    ],
)
def test_decode_photo_names_what_is_no_photo(data: bytes, found: str) -> None:
    assert identify(data) is None
    with pytest.raises(UnreadablePhotoError, match=rf"shelf\.jpg.*got {found}"):
        decode_photo(data, name="shelf.jpg")


def test_decode_photo_refuses_formats_that_pillow_knows_but_we_do_not(picture: Image.Image) -> None:
    for kind in ("PPM", "ICO", "TGA", "PCX", "JPEG2000", "EPS", "PDF"):
        with pytest.raises(UnreadablePhotoError, match="must be JPEG, PNG"):
            decode_photo(encoded(picture, kind))


# --- orientation ---------------------------------------------------------------------------------


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_decode_photo_turns_upright_as_pillow_does(
    kind: str, turn: int, picture: Image.Image
) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(picture, kind, exif=exif)
    with Image.open(io.BytesIO(data)) as opened:
        reference = ImageOps.exif_transpose(opened).convert("RGB")
    photo = decode_photo(data)
    assert (photo.width_px, photo.height_px) == reference.size == photo.image.size
    assert np.array_equal(np.asarray(photo.image), np.asarray(reference))


@given(st.integers(0, 9), st.sampled_from("<>"), st.sampled_from([3, 4]), st.integers(0, 20))
def test_exif_orientation_reads_both_byte_orders(turn: int, order: str, kind: int, n: int) -> None:
    other = struct.pack(order + "HHLL", 0x010F, 2, 4, 0)
    value = struct.pack(order + ("HH" if kind == 3 else "L"), *([turn, 0] if kind == 3 else [turn]))
    tag = struct.pack(order + "HHL", 0x0112, kind, 1) + value
    magic = b"II*\0" if order == "<" else b"MM\0*"
    head = magic + struct.pack(order + "LH", 8, n + 1)
    expected = turn if 1 <= turn <= 8 else 1
    assert exif_orientation(b"Exif\0\0" + head + other * n + tag) == expected
    assert exif_orientation(head + other * n) == 1


@given(st.binary(max_size=60))
def test_exif_orientation_survives_any_bytes(data: bytes) -> None:
    for start in (b"", b"II*\0", b"MM\0*"):
        assert 1 <= exif_orientation(b"Exif\0\0" + start + data) <= 8


# --- reduced decoding ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("min_side", "scale"),
    [(None, 1), (101, 1), (100, 1), (66, 1), (65, 2), (33, 2), (32, 4), (16, 8), (1, 8)],
)
def test_decode_photo_reduces_as_far_as_the_shorter_side_allows(
    min_side: int | None, scale: int, rng: np.random.Generator
) -> None:
    photo = decode_photo(encoded(noise(rng, 203, 130), "JPEG"), min_side_px=min_side)
    assert photo.image.size == (-(-203 // scale), -(-130 // scale))
    assert (photo.width_px, photo.height_px) == (203, 130)
    assert photo.box == (0, 0, 203 / scale, 130 / scale)


@pytest.mark.parametrize("turn", range(1, 9))
def test_decode_photo_turns_the_reduced_box_with_the_photo(
    turn: int, rng: np.random.Generator
) -> None:
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(noise(rng, 123, 85), "JPEG", quality=95, exif=exif)
    plain, reduced = decode_photo(data), decode_photo(data, min_side_px=20)
    assert (plain.width_px, plain.height_px) == (reduced.width_px, reduced.height_px)
    assert max(reduced.image.size) == 31  # 123 / 4, rounded up

    def shrunk(photo: DecodedPhoto) -> np.ndarray:
        return np.asarray(photo.image.resize((20, 20), box=photo.box)).astype(int)

    def without_box(photo: DecodedPhoto) -> np.ndarray:
        return np.asarray(photo.image.resize((20, 20))).astype(int)

    right = np.abs(shrunk(plain) - shrunk(reduced)).mean()
    assert right < 0.8 * np.abs(without_box(plain) - without_box(reduced)).mean()
    assert right < 8


def test_decode_photo_reads_other_formats_whole(photos: dict[str, bytes]) -> None:
    assert decode_photo(photos["png"], min_side_px=4).image.size == (48, 32)


def test_decode_photo_refuses_a_side_below_one(photos: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="got 0"):
        decode_photo(photos["jpeg"], min_side_px=0)


# --- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_decode_photo_counts_pixels_before_decoding(kind: str, photos: dict[str, bytes]) -> None:
    assert decode_photo(photos[kind], max_pixels=48 * 32).width_px == 48
    with pytest.raises(OversizedPhotoError, match=r"48 x 32 = 1,536.*--max-pixels"):
        decode_photo(photos[kind], max_pixels=48 * 32 - 1)


@pytest.mark.parametrize("name", [
    "png-pixels", "png-text", "gif-pixels", "gif-comment", "bmp-pixels",
    "tiff-tags", "jpeg-tags", "avif-tags",
])  # fmt: skip
def test_decode_photo_spends_little_memory_on_bombs(name: str, bombs: dict[str, bytes]) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name in {"jpeg-tags", "avif-tags"}:  # the photo itself is fine
        assert decode_photo(bombs[name]).width_px == 48
    else:
        wanted = OversizedPhotoError if name.endswith("pixels") else UnreadablePhotoError
        with pytest.raises(wanted):
            decode_photo(bombs[name])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # KiB


def test_decode_photo_lets_its_own_limit_rule_above_pillows(
    monkeypatch: pytest.MonkeyPatch, photos: dict[str, bytes]
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 32 // 2 - 1)
    assert decode_photo(photos["jpeg"]).width_px == 48
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 32 - 1)
    for data in photos.values():
        assert decode_photo(data).width_px == 48


@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1)])
def test_decode_photo_takes_tiny_and_thin_photos(size: tuple[int, int]) -> None:
    for kind in ("JPEG", "PNG", "BMP", "TIFF"):
        assert (
            decode_photo(encoded(Image.new("RGB", size), kind), min_side_px=448).image.size == size
        )


# --- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [kind for kind in KINDS if "animated" not in kind])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_decode_photo_tells_truncated_files(
    kind: str, share: float, photos: dict[str, bytes]
) -> None:
    data = photos[kind]
    if kind == "jpeg-mpo":  # the second picture isn't needed
        data = data[: data.index(b"\xff\xd8\xff", 2)]
    with pytest.raises(TruncatedPhotoError, match=r"ends early, after .*--allow-truncated"):
        decode_photo(data[: max(24, int(len(data) * share))])


@pytest.mark.parametrize("kind", PARTLY_READABLE)
def test_decode_photo_takes_what_is_there_if_allowed(kind: str, rng: np.random.Generator) -> None:
    image = noise(rng, 256, 256)
    options = {"progressive": True} if "progressive" in kind else {}
    data = encoded(image, kind.split("-")[0].upper(), **options)
    cut = data[: int(len(data) * 0.6)]
    with pytest.raises(TruncatedPhotoError):
        decode_photo(cut)
    whole, part = decode_photo(data), decode_photo(cut, allow_truncated=True)
    assert (part.width_px, part.height_px) == (256, 256)
    near = np.abs(pixels(whole) - pixels(part)).max(axis=(1, 2)) <= (80 if options else 12)
    n_same = int(near[::-1].sum() if kind == "bmp" else near.sum())
    assert n_same >= 256 * 0.4
    assert decode_photo(data, allow_truncated=True).image.tobytes() == whole.image.tobytes()


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_decode_photo_allows_truncation_in_one_thread_only(
    kind: str, rng: np.random.Generator
) -> None:
    data = encoded(noise(rng, 512, 512), kind.upper())
    cut, start = data[: len(data) // 2], threading.Barrier(2)

    def attempt(allow: bool) -> list[str]:
        start.wait()
        outcomes = []
        for _ in range(30):
            try:
                decode_photo(cut, allow_truncated=allow)
                outcomes.append("photo")
            except TruncatedPhotoError:
                outcomes.append("refused")
        return outcomes

    with ThreadPoolExecutor(2) as pool:
        allowed, refused = pool.map(attempt, (True, False))
    assert set(allowed) == {"photo"}
    assert set(refused) == {"refused"}


def test_decode_photo_refuses_a_broken_checksum(photos: dict[str, bytes]) -> None:
    data = bytearray(photos["png"])
    data[19] ^= 1  # the width
    with pytest.raises(UnreadablePhotoError, match="PNG file must be intact"):
        decode_photo(bytes(data))


def test_decode_photo_drops_pillows_warnings_and_no_others(photos: dict[str, bytes]) -> None:
    data = photos["tiff"]
    start = struct.unpack_from("<L", data, 4)[0]
    n_tags = struct.unpack_from("<H", data, start)[0]
    odd = struct.pack("<HHLL", 0x0131, 2, 500, len(data))  # text that lies past the file's end
    tags = data[start + 2 : start + 2 + 12 * n_tags] + odd
    appended = struct.pack("<H", n_tags + 1) + tags + bytes(4)
    data = data[:4] + struct.pack("<L", len(data)) + data[8:] + appended
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert decode_photo(data).width_px == 48
        assert not seen
        with Image.open(io.BytesIO(data)) as opened:
            opened.load()
        assert "Truncated" in str(seen[0].message)


@settings(max_examples=300, deadline=5_000, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_decode_photo_gives_a_photo_or_a_photo_error(
    photos: dict[str, bytes], data: st.DataObject
) -> None:
    damaged = bytearray(photos[data.draw(st.sampled_from(KINDS))])
    for _ in range(data.draw(st.integers(0, 8))):
        at = data.draw(st.one_of(st.integers(0, 80), st.integers(0, len(damaged))))
        patch = data.draw(st.binary(min_size=1, max_size=4))
        damaged[at : at + data.draw(st.sampled_from([len(patch), len(patch), 0, 7]))] = patch
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(damaged))))
    try:
        photo = decode_photo(
            bytes(damaged[:cut]),
            max_pixels=10_000_000,
            allow_truncated=data.draw(st.booleans()),
            min_side_px=data.draw(st.sampled_from([None, 4])),
        )
    except PhotoError:
        return
    assert photo.image.mode == "RGB"
    left, top, right, bottom = photo.box
    assert 0 <= left < right <= photo.image.width
    assert 0 <= top < bottom <= photo.image.height


@given(st.binary(max_size=200), st.sampled_from([
    b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"RIFF\x40\0\0\0WEBPVP8 ", b"II*\0",
    b"MM\0+", b"BM" + bytes(8) + b"\x36\0\0\0\x28\0\0\0", b"\0\0\0\x18ftypavif",
]))  # fmt: skip
def test_decode_photo_refuses_random_bytes(data: bytes, start: bytes) -> None:
    with pytest.raises(PhotoError):
        decode_photo(start + data, max_pixels=1_000_000)
    assert describe(data)


@pytest.mark.realdata
def test_decode_photo_reads_every_real_photo(real_data: Path) -> None:
    paths = sorted((real_data / "flipkart" / "images").glob("*"))[:60]
    paths += sorted((real_data / "outside").glob("*"))[:20]
    assert len(paths) >= 60
    for path in paths:
        photo = decode_photo(photo_bytes(path))
        with Image.open(path) as reference:
            upright = ImageOps.exif_transpose(reference).convert("RGB")
        assert np.array_equal(np.asarray(photo.image), np.asarray(upright)), path


def test_decode_photo_reduces_by_the_longer_side_where_the_whole_photo_is_fitted(rng) -> None:
    data = encoded(noise(rng, 540, 960), "JPEG")  # the shorter side alone would forbid a half
    assert decode_photo(data, min_side_px=288).image.size == (540, 960)
    fitted = decode_photo(data, min_side_px=288, longer_side=True)
    assert (fitted.image.size, fitted.width_px, fitted.height_px) == ((270, 480), 540, 960)
    assert decode_photo(data, min_side_px=481, longer_side=True).image.size == (540, 960)
