"""Photos by address, from a server of this machine's: bounded, resumable, and no detours."""

import csv
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.catalog.photo_fetch import (
    FetchError,
    PhotoFetcher,
    hosts_of,
    is_public,
    public_address,
    web_addresses,
)
from shelfsure.cli.main import app
from shelfsure.core.errors import CatalogError, ConfigError
from typer.testing import CliRunner

REDIRECTS = {"/r1": "/a.jpg", "/r2": "http://other.example/x", "/r3": "/r3"}


@pytest.fixture
def server(
    answering_server: Callable[..., AbstractContextManager[str]],
) -> Iterator[tuple[str, list[str]]]:
    """A server of photos of 100 bytes; gives its address and the paths that it is asked for."""
    got: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        got.append(request.path)
        if request.path in REDIRECTS:
            request.send_response(302)
            request.send_header("Location", REDIRECTS[request.path])
        else:
            request.send_response(404 if request.path == "/no" else 200)
        kind = "text/html" if request.path == "/html" else "image/jpeg"
        request.send_header("Content-Type", kind)
        size = {"/big": 2_000, "/empty": 0}.get(request.path, 100)
        request.send_header("Content-Length", str(500 if request.path == "/cut" else size))
        request.end_headers()
        request.wfile.write(b"x" * size)

    with answering_server(answer) as address:
        yield address, got


def test_fetch_brings_a_photo_once(server: tuple[str, list[str]], tmp_path: Path) -> None:
    url, got = server
    fetcher = PhotoFetcher(tmp_path, {"127.0.0.1"}, allow_private=True)
    first = fetcher.fetch(f"{url}/a.jpg?size=1")
    assert (first.read_bytes(), first.suffix) == (b"x" * 100, ".jpg")
    assert fetcher.fetch(f"{url}/a.jpg?size=1") == first
    again = PhotoFetcher(tmp_path, {"127.0.0.1"}, allow_private=True)
    assert again.fetch(f"{url}/a.jpg?size=1") == again.there(f"{url}/a.jpg?size=1") == first
    assert again.fetch(f"{url}/r1") != first
    assert got == ["/a.jpg?size=1", "/r1", "/a.jpg"]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/r2", "http://other.example isn't among the hosts agreed to"),
        ("/r3", "more than 3 redirects"),
        ("/no", "it answered 404"),
        ("/html", "it is text/html, and no photo"),
        ("/big", "it has more than 1,000 bytes"),
        ("/cut", "it broke off"),
        ("/empty", "it is empty"),
    ],
)
def test_fetch_says_why_not_and_leaves_nothing(
    path: str, why: str, server: tuple[str, list[str]], tmp_path: Path
) -> None:
    fetcher = PhotoFetcher(tmp_path, {"127.0.0.1"}, max_bytes=1_000, allow_private=True)
    with pytest.raises(FetchError, match=why):
        fetcher.fetch(server[0] + path)
    assert list(tmp_path.iterdir()) == []


def test_fetch_gives_a_photo_up_that_trickles_in_once_it_is_stopped(
    answering_server: Callable[..., AbstractContextManager[str]], tmp_path: Path
) -> None:
    trickled, ended = threading.Event(), threading.Event()

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "image/jpeg")
        request.end_headers()
        with suppress(OSError):  # whoever asked has gone
            while not ended.wait(0.05):
                request.wfile.write(b"x" * (1 << 17))
                trickled.set()

    fetcher = PhotoFetcher(tmp_path, {"127.0.0.1"}, max_bytes=1 << 40, allow_private=True)
    with answering_server(answer) as url, ThreadPoolExecutor(1) as pool:
        photo = pool.submit(fetcher.fetch, f"{url}/a.jpg")
        assert trickled.wait(20)
        fetcher.stopped.set()
        with pytest.raises(FetchError, match="it was stopped"):
            photo.result(20)
        ended.set()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://127.0.0.1/x", "must begin with http:// or https://, not ftp://"),
        ("//127.0.0.1/x", "must begin with http:// or https://, not ://"),
        ("http://other.example/x", "http://other.example isn't among the hosts"),
        ("http://[/", "no web address"),
    ],
)
def test_fetch_asks_no_other_host(url: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=why):
        PhotoFetcher(tmp_path, {"127.0.0.1"}, allow_private=True).fetch(url)


def test_fetch_refuses_private_addresses(server: tuple[str, list[str]], tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"127\.0\.0\.1, which isn't public"):
        PhotoFetcher(tmp_path, {"127.0.0.1"}).fetch(f"{server[0]}/a.jpg")
    assert server[1] == []


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((each, True) for each in ("8.8.8.8", "2606:4700:4700::1111")),
        *((each, False) for each in ("127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.0.1")),
        *((each, False) for each in ("169.254.169.254", "100.64.0.1", "0.1.2.3", "224.0.0.1")),
        *((each, False) for each in ("::1", "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1")),
        ("2002:7f00:1::", False),
    ],
)
def test_is_public(address: str, public: bool) -> None:
    assert is_public(address) == public


def test_a_name_with_any_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(2, 1, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
    with pytest.raises(FetchError, match=r"10\.0\.0\.1, which isn't public"):
        public_address("shop.example", 80)
    assert public_address("shop.example", 80, allow_private=True) == "8.8.8.8"


def test_web_addresses_takes_what_shops_write() -> None:
    a, b = "https://cdn.example/w_300,h_300/a.jpg", "http://cdn.example/b.jpg"
    for value in (f"{a}, {b}", f"{a}|{b}", f"{a};{b}", f'["{a}", "{b}"]', [a, {"src": b}]):
        assert web_addresses(value) == [a, b]
    for none in ("a.jpg", None, "[1]", "data:image/png;base64,AAAA", "/media/a.jpg", "C:\\a.jpg"):
        assert web_addresses(none) == []
    assert hosts_of([a, b, "http://[", "ftp://cdn.example/c.jpg"]) == {"cdn.example": 2}


def test_the_command_says_of_every_address_what_became_of_it(
    server: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, got = server
    shop, out = tmp_path / "shop.csv", tmp_path / "photos"
    odd = ["ftp://127.0.0.1/a.jpg", "//127.0.0.1/a.jpg", "s3://bucket/a.jpg", "HTTP://[/a.jpg"]
    spaced = f"{url}/red mug 1.jpg"
    rows = [f'{n},Mug,"{each}"' for n, each in enumerate([*odd, spaced, f"{spaced}, {odd[0]}"])]
    shop.write_text("\n".join(["id,title,image", *rows]))
    command = ["photos", "fetch", str(shop), str(out), "--yes", "--allow-private"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert (done.exit_code, got) == (0, ["/red%20mug%201.jpg"]), done.output
    assert "1 of 5 photos" in done.output
    with (out / "failed.csv").open(newline="") as file:
        failed = {row["address"]: row["reason"] for row in csv.DictReader(file)}
    assert [*failed] == odd
    assert "not ftp://" in failed[odd[0]]
    with (out / "catalogue.csv").open(newline="") as file:
        images = [row["image"] for row in csv.DictReader(file)]
    assert images[:4] == odd
    assert images[4] == images[5]
    assert (out / images[4]).is_file()


def test_the_command_writes_a_catalogue_that_names_files(
    server: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, got = server
    shop, out = tmp_path / "shop.csv", tmp_path / "photos"
    shop.write_text(
        "id,title,image,price,additional_image_link\n"
        f'a,"Mug, red",{url}/a.jpg,1,{url}/b.jpg\nb,Cup,"{url}/b.jpg|{url}/no",2,\n'
        f"c,Pot,{url}/no,3,\nd,Pan,local.jpg,4,\n"
    )
    command = ["photos", "fetch", str(shop), str(out)]
    refused = CliRunner().invoke(app, command, input="n\n")
    assert (refused.exit_code, got) == (1, [])
    assert "4 of 127.0.0.1" not in refused.output
    assert "3 of 127.0.0.1" in refused.output
    private = CliRunner().invoke(app, [*command, "--yes"])
    assert "0 of 3 photos" in private.output
    assert private.exit_code == 1, "all failed"
    assert got == []
    done = CliRunner().invoke(app, [*command, "--yes", "--allow-private"])
    assert done.exit_code == 0, done.output
    assert "2 of 3 photos" in done.output
    with (out / "catalogue.csv").open(newline="") as file:
        rows = [*csv.DictReader(file)]
    assert [row["title"] for row in rows] == ["Mug, red", "Cup", "Pot", "Pan"]
    assert all((out / rows[n]["image"]).is_file() for n in (0, 1))
    assert [row["image"] for row in rows[2:]] == [f"{url}/no", "local.jpg"]
    assert rows[0]["additional_image_link"] == rows[1]["image"]
    with (out / "failed.csv").open(newline="") as file:
        assert [*csv.DictReader(file)] == [{"address": f"{url}/no", "reason": "it answered 404"}]
    n = len(got)
    assert CliRunner().invoke(app, [*command, "--yes", "--allow-private"]).exit_code == 0
    assert got[n:] == ["/no"]


def test_the_command_brings_further_photos_from_columns_that_are_named(
    server: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, got = server
    shop, out = tmp_path / "shop.csv", tmp_path / "photos"
    shop.write_text(
        f"id,title,image,back view,detail\na,Mug,{url}/a.jpg,{url}/b.jpg,{url}/c.jpg\nb,too few\n"
    )
    command = ["photos", "fetch", str(shop), str(out), "--yes", "--allow-private"]
    command += ["--more-images-column", "back view", "--more-images-column", "detail"]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert "3 of 3 photos" in done.output
    assert "1 rows can't be read and are left out of catalogue.csv" in done.output
    assert sorted(got) == ["/a.jpg", "/b.jpg", "/c.jpg"]
    columns = {"more_images": ("back view", "detail")}
    [mug] = read_catalog(out / "catalogue.csv", columns=columns).listings
    assert {photo.parent for photo in (mug.image, *mug.more_images)} == {out}
    assert len({mug.image, *mug.more_images}) == 3
    wrong = [*command[:-1], "front"]
    with pytest.raises(CatalogError, match="column `front`, named by --more-images-column"):
        CliRunner().invoke(app, wrong, catch_exceptions=False)


def test_the_command_brings_the_photos_of_rows_that_go_on_with_a_listing(
    server: tuple[str, list[str]], tmp_path: Path
) -> None:
    url, _ = server
    shop, out = tmp_path / "shop.csv", tmp_path / "photos"
    shop.write_text(f"Handle,Title,Image Src\nmug,Mug,{url}/a.jpg\nmug,,{url}/b.jpg\n")
    command = ["photos", "fetch", str(shop), str(out), "--yes", "--allow-private"]
    CliRunner().invoke(app, command, catch_exceptions=False)
    [mug] = read_catalog(out / "catalogue.csv").listings
    assert len({mug.image, *mug.more_images}) == 2


def test_the_command_leaves_a_catalogue_of_somebody_elses_alone(
    server: tuple[str, list[str]], tmp_path: Path
) -> None:
    shop, mine = tmp_path / "shop.csv", tmp_path / "catalogue.csv"
    shop.write_text(f"id,title,image\na,Mug,{server[0]}/a.jpg\n")
    mine.write_text("id,title\n1,mine\n")
    command = ["photos", "fetch", str(shop), str(tmp_path), "--yes", "--allow-private"]
    with pytest.raises(ConfigError, match="no earlier `photos fetch` wrote it"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    mine.rename(tmp_path / "failed.csv")
    with pytest.raises(ConfigError, match="Only a list of photos that failed"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert (tmp_path / "failed.csv").read_text() == "id,title\n1,mine\n"


def test_the_command_wants_an_address(tmp_path: Path) -> None:
    (tmp_path / "shop.csv").write_text("id,title,image\na,Mug,a.jpg\n")
    command = ["photos", "fetch", str(tmp_path / "shop.csv"), str(tmp_path / "out"), "--yes"]
    with pytest.raises(CatalogError, match="column `image` must name photos by web address"):
        CliRunner().invoke(app, command, catch_exceptions=False)
    assert not (tmp_path / "out").exists()
