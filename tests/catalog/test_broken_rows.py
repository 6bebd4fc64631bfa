"""One catalogue with every kind of broken row we know, each between two good ones."""

import os
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog

# Raw CSV lines `listing_id,title,description,brand,category,image`, and the reason they must get.
BROKEN = {
    ",t,d,b,C,ok.jpg": "missing listing_id",
    "  \u00a0,t,d,b,C,ok.jpg": "missing listing_id",
    "a1,,d,b,C,": "missing photo and title",
    "a2,  ,d,b,C,\u2003": "missing photo and title",
    "007,t,d,b,C,ok.jpg": "duplicate id: row 1 has it too",
    "a3,t,d,b,,ok.jpg": "missing category",
    "a4,t,d,b,   ,ok.jpg": "missing category",
    "a5,t,d,b, > >> ,ok.jpg": "missing category",
    "a6,t,d,b,C,http://shop.example/a.jpg": "photo is a URL: photos are read from files, not from",
    "a7,t,d,b,C,HTTPS://shop.example/a.jpg": "photo is a URL",
    "a8,t,d,b,C,s3://bucket/a.jpg": "photo is a URL",
    "a9,t,d,b,C,file:///etc/hostname": "photo is a URL",
    'b1,t,d,b,C,"data:image/png;base64,A"': "broken base64",
    'b0,t,d,b,C,"data:,AAAA"': "photo is a URL",
    "b2,t,d,b,C,/etc/hostname": "photo outside the image folder: '/etc/hostname'",
    "b3,t,d,b,C,//shop.example/a.jpg": "photo outside the image folder",
    "b4,t,d,b,C,../secret.jpg": "photo outside the image folder: '../secret.jpg'",
    "b5,t,d,b,C,sub/../../secret.jpg": "photo outside the image folder",
    "b6,t,d,b,C,../photos-2/a.jpg": "photo outside the image folder",
    "b7,t,d,b,C,link.jpg": "photo links to outside the image folder: 'link.jpg'",
    "b8,t,d,b,C,linked/secret.jpg": "photo links to outside the image folder",
    "b9,t,d,b,C,nowhere.jpg": "photo not found: 'nowhere.jpg'",
    "c1,t,d,b,C,dangling.jpg": "photo not found",
    "c2,t,d,b,C,circle.jpg": "photo not found",
    "c3,t,d,b,C,pipe.jpg": "photo not found",
    "c4,t,d,b,C,ok.jpg/ok.jpg": "photo not found",
    f"c6,t,d,b,C,{'x' * 300}.jpg": "photo not found",
    f"c7,t,d,b,C,{'x/' * 5000}.jpg": "photo not found",
    "c8,t,d,b,C,sub": "photo is a folder",
    "c9,t,d,b,C,.": "photo is a folder",
    "d4,t,d,b,C,ok.jpg\x00.png": "control character: image holds U+0000",
    "d5\x7f,t,d,b,C,ok.jpg": "control character: listing_id holds U+007F",
    '"d6\nx",t,d,b,C,ok.jpg': "control character: listing_id holds U+000A",
    'd7,t,d,b,"C >\tD",ok.jpg': "control character: category holds U+0009",
    "d8,t,d,b,ok.jpg": "wrong number of fields: line {line} has 5, the header 6",
    "d9,t,d,b,C,D,ok.jpg": "wrong number of fields: line {line} has 7, the header 6",
    "e1;t;d;b;C;ok.jpg": "wrong number of fields: line {line} has 1",
    "   ": "wrong number of fields: line {line} has 1",
    'e2,"t,d,b,C,ok.jpg': "unbalanced quotes: line {line}",
    'e3,"13" laptop",d,b,C,ok.jpg': "unbalanced quotes: line {line}",
    'e4,"t"x,d,b,C,ok.jpg': "unbalanced quotes: line {line}",
}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    (root / "sub").mkdir(parents=True)
    (root / "ok.jpg").write_bytes(b"photo")
    (tmp_path / "secret.jpg").write_bytes(b"secret")
    (tmp_path / "photos-2").mkdir()
    (tmp_path / "photos-2" / "a.jpg").write_bytes(b"secret")
    (root / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (root / "linked").symlink_to(tmp_path)
    (root / "dangling.jpg").symlink_to(root / "gone.jpg")
    (root / "circle.jpg").symlink_to(root / "circle.jpg")
    (root / "inner.jpg").symlink_to(root / "ok.jpg")
    os.mkfifo(root / "pipe.jpg")
    return root


def test_read_catalog_rejects_each_kind_of_broken_row_and_keeps_the_good(photos: Path) -> None:
    assert len(BROKEN) >= 30
    lines = ["listing_id,title,description,brand,category,image"]
    line, reasons = 2, {}
    for place, (text, reason) in enumerate(BROKEN.items()):
        lines += [f'{place + 7:03},"Quoted, ""title"" {place}",NA,null,A >> > B,inner.jpg', text]
        reasons[2 * place + 2] = reason.format(line=line + 1)
        line += 2 + text.count("\n")
    lines.append("last,,,,A,sub/../ok.jpg")
    path = photos.parent / "catalogue.csv"
    path.write_text("\n".join(lines), encoding="utf-8", newline="")

    catalog = read_catalog(path, image_root=photos, need_category=True)

    for rejected in catalog.rejected:
        expected = reasons.get(rejected.row, "this row is good")
        assert rejected.reason.startswith(expected), f"row {rejected.row}: {rejected.reason}"
    assert [rejected.row for rejected in catalog.rejected] == sorted(reasons)
    assert catalog.n_rows == 2 * len(BROKEN) + 1
    *good, last = catalog.listings
    assert len(good) == len(BROKEN)
    for place, listing in enumerate(good):
        assert listing.listing_id == f"{place + 7:03}"
        assert listing.title == f'Quoted, "title" {place}'
        assert (listing.description, listing.brand) == ("NA", "null")
        assert listing.category == "A > B"
        assert listing.image == photos.resolve() / "ok.jpg"
    assert (last.title, last.image) == (None, photos.resolve() / "ok.jpg")
