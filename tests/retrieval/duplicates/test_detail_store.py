import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import numpy as np
import pytest
from shelfsure.core.errors import PhotoError
from shelfsure.retrieval.duplicates import detail_store
from shelfsure.retrieval.duplicates.detail_store import DetailStore, PhotoDetails, pack, unpack
from shelfsure.retrieval.index.change import DETAILS_FILE
from shelfsure.vision.load import PhotoLimits


def same(a, b) -> bool:
    arrays = ("picture", "points", "descriptors")
    return a.size == b.size and all((getattr(a, x) == getattr(b, x)).all() for x in arrays)


def sha256(photo: bytes) -> str:
    return hashlib.sha256(photo).hexdigest()


def test_pack_loses_nothing_and_takes_half(product, detail) -> None:
    one = detail(product(1))
    raw = one.picture.nbytes + one.points.nbytes + one.descriptors.nbytes
    assert same(unpack(pack(one)), one)
    assert 4 * len(pack(one)) < 0.6 * raw


def test_pack_takes_a_photo_without_features(detail) -> None:
    from PIL import Image

    plain = detail(Image.new("RGB", (90, 40), "white"))
    assert len(plain.points) == 0
    assert same(unpack(pack(plain)), plain)


@pytest.mark.parametrize("damage", ["short", "flipped", "empty"])
def test_unpack_of_a_damaged_row_is_none(product, detail, damage) -> None:
    row = pack(detail(product(1))).view(np.int32).copy()
    if damage == "flipped":
        row[len(row) // 2] ^= 1
    row = {"short": row[:-40], "flipped": row, "empty": row[:0]}[damage]
    assert unpack(row.view(np.float32)) is None


def test_photo_details_are_made_once_and_then_read(product, detail, as_png, tmp_path, monkeypatch):
    photos = [as_png(product(1)), as_png(product(2)), b"no photo"]
    hashes = [sha256(photo) for photo in photos]
    first = PhotoDetails(photos, hashes, PhotoLimits(), DetailStore(tmp_path, PhotoLimits()))
    first.fetch(range(3))
    made = [first.of(row) for row in range(3)]
    assert made[2] is None
    first.keep()

    def refuse(source, limits):
        raise PhotoError(f"{source[:9]!r} was decoded again")

    monkeypatch.setattr(detail_store, "load_detail", refuse)
    again = PhotoDetails(photos, hashes, PhotoLimits(), DetailStore(tmp_path, PhotoLimits()))
    again.fetch(range(3))
    assert same(again.of(0), made[0])
    assert same(again.of(1), made[1])
    # other limits may give another picture
    other = PhotoLimits(allow_truncated=True)
    assert DetailStore(tmp_path, other).read(hashes) == {}


def test_photo_details_are_made_anew_where_what_is_kept_is_damaged(product, as_png, tmp_path):
    store = DetailStore(tmp_path, PhotoLimits())
    photo = as_png(product(1))
    photos = PhotoDetails([photo], [sha256(photo)], PhotoLimits(), store)
    made = photos.of(0)
    photos.keep()
    with closing(sqlite3.connect(tmp_path / DETAILS_FILE)) as db, db:
        (row,) = db.execute("SELECT vector FROM embeddings").fetchone()
        db.execute("UPDATE embeddings SET vector = ?", (row[:900] + b"\1\2\3\4" + row[904:],))
    assert store.read([sha256(photo)]) == {}
    again = PhotoDetails([photo], [sha256(photo)], PhotoLimits(), store)
    again.fetch([0])
    assert same(again.of(0), made)
    again.keep()
    assert same(store.read([sha256(photo)])[sha256(photo)], made)


def test_a_file_that_is_another_photo_by_now_isnt_kept_under_the_old_ones_hash(
    product, detail, as_png, tmp_path
) -> None:
    store = DetailStore(tmp_path / "store", PhotoLimits())
    file, old, new = tmp_path / "mug.png", as_png(product(1)), as_png(product(2))
    file.write_bytes(new)
    photos = PhotoDetails([str(file)], [sha256(old)], PhotoLimits(), store)
    assert same(photos.of(0), detail(product(2)))
    photos.keep()
    assert store.read([sha256(old), sha256(new)]) == {}


def test_photo_details_do_without_a_store_that_cant_be_read(product, as_png, tmp_path, caplog):
    (tmp_path / DETAILS_FILE).write_bytes(b"this is no database" * 100)
    store = DetailStore(tmp_path, PhotoLimits())
    photo = as_png(product(1))
    photos = PhotoDetails([photo], [sha256(photo)], PhotoLimits(), store)
    photos.fetch([0])
    assert photos.of(0) is not None
    photos.keep()
    assert DETAILS_FILE in caplog.text


WRITE_FOR_EVER = """
import sys
from pathlib import Path
import numpy as np
from shelfsure.retrieval.duplicates.detail_store import DetailStore
from shelfsure.retrieval.duplicates.photo_detail import PhotoDetail
from shelfsure.vision.load import PhotoLimits
rng = np.random.default_rng(0)
store = DetailStore(Path(sys.argv[1]), PhotoLimits())
for block in range(1000):
    store.write({
        f"{block}-{n}": PhotoDetail(
            rng.integers(0, 256, (192, 192, 3), dtype=np.uint8), np.zeros((9, 2), np.float32),
            rng.integers(0, 256, (9, 128), dtype=np.uint8), (500, 500),
        )
        for n in range(40)
    })
    print(block, flush=True)
"""


@pytest.mark.slow
def test_a_killed_writer_leaves_whole_details_only(tmp_path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as writer:
        written = [next(writer.stdout) for _ in range(3)]
        os.kill(writer.pid, signal.SIGKILL)
    assert len(written) == 3
    store = DetailStore(tmp_path, PhotoLimits())
    blocks = [len(store.read([f"{block}-{n}" for n in range(40)])) for block in range(20)]
    assert blocks[:3] == [40, 40, 40]
    assert set(blocks) <= {0, 40}
