"""Reports, answers, signatures, photos: on a disk that takes nothing each is one clear line."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from shelfsure.catalog.listing import Listing
from shelfsure.monitoring.experiment import Contender, Experiment
from shelfsure.pipeline.bundle import open_bundle
from shelfsure.pipeline.verdict import Guess, Verdict
from shelfsure.serving.review.store import ReviewStore

# MLflow's models use a loader strategy that the newest SQLAlchemy warns of
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*noload.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType.*:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:mlflow.*"),
]
Run = Callable[..., Any]
COMMANDS = {
    "audit": "audit {tiny} --out {disk}/out --no-learning-curve",
    "explore": "explore {tiny} --out {disk}/out --families tfidf --no-maps --mlflow none",
    "robustness": "robustness {bundle} {tiny} --out {disk}/out --only dark --mlflow none",
    "digest": "digest {bundle} verdicts.csv {tiny} --out {disk}/out",
    "explain": "explain {bundle} --title lamp --out {disk}/why.html",
    "monitor": "monitor {bundle} log --out {disk}/out",
    "ab report": "ab report log --out {disk}/out",
    "recalibrate": "recalibrate {bundle} {tiny} --out {disk}/out",
    "sign": "sign {disk}/shop --key key.pem",
    "review export": "review export {disk}/out",
    "review export as tasks": "review export {disk}/out --format argilla",
    "photos fetch": "photos fetch feed.csv {disk}/out --yes --allow-private",
    "registry pull": "registry pull shop --out {disk}/out --mlflow sqlite:///{here}/mlflow.db",
}


def refuse(disk: Path, why: str) -> None:
    if why == "full":
        with (disk / "filler").open("wb") as file:
            file.write(bytes(shutil.disk_usage(disk).free))
    else:
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


@pytest.fixture
def fill_queue(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], ReviewStore]:
    """Make the user's queue: item 1 is answered, 2 to 4 wait."""

    def fill(path: Path) -> ReviewStore:
        monkeypatch.setenv("SHELFSURE_REVIEWS", str(path))
        store = ReviewStore()
        top = (Guess(category="Home > Lamps", probability=0.5),)
        for n in range(1, 5):
            said = Verdict(listing_id=f"r{n}", decision="review", category="Home", top_k=top)
            store.add(Listing(f"r{n}", f"lamp {n}"), said)
        store.label(1, "Home > Lamps", "ann")
        return store

    return fill


@pytest.fixture
def prepared(
    run: Run,
    bundle: Path,
    tiny_folder: Path,
    fill_queue: Callable[[Path], ReviewStore],
    answering_server: Callable[..., AbstractContextManager[str]],
) -> Iterator[Callable[[str], None]]:
    """Put into the working folder what a command reads."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "image/jpeg")
        request.send_header("Content-Length", "9")
        request.end_headers()
        request.wfile.write(b"123456789")

    with answering_server(answer) as url:

        def prepare(command: str) -> None:
            fill_queue(Path("reviews.sqlite"))
            if command in {"digest", "monitor", "ab report"}:
                predict = ("predict", bundle, tiny_folder / "catalogue.csv", "--no-duplicates")
                done = run(*predict, "--out", "verdicts.csv", "--log-verdicts", "log")
                assert done.code == 0, done.error
                both = [Contender(name, "", 0.9, 0.95) for name in ("old", "new")]
                Experiment(*both, share=0.5).write(Path("log"))
            if command == "registry pull":
                promote = ("registry", "promote", bundle, "--name", "shop")
                done = run(*promote, "--mlflow", f"sqlite:///{Path.cwd()}/mlflow.db")
                assert done.code == 0, done.error
            own = Ed25519PrivateKey.generate()
            pem = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            Path("key.pem").write_bytes(pem)
            Path("feed.csv").write_text(f"id,title,image\na,Mug,{url}/a.jpg\nb,Cup,{url}/b.jpg\n")

        yield prepare


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("why", ["full", "read-only"])
def test_a_disk_that_takes_nothing_is_one_line_and_all_stays(
    run: Run,
    bundle: Path,
    tiny_folder: Path,
    small_disk: Path,
    prepared: Callable[[str], None],
    command: str,
    why: str,
) -> None:
    prepared(command)
    shutil.copytree(bundle, small_disk / "shop")
    refuse(small_disk, why)
    before = everything(small_disk)
    named = {"disk": small_disk, "bundle": bundle, "tiny": tiny_folder / "catalogue.csv"}
    named["here"] = Path.cwd()
    done = run(*COMMANDS[command].format(**named).split())
    assert done.code == 1, done
    [error] = [line for line in done.error.splitlines() if line.startswith("Error: ")]
    for words in (str(small_disk), "untouched", "full" if why == "full" else "Read-only"):
        assert words in error
    assert everything(small_disk) == before
    open_bundle(small_disk / "shop")


@pytest.mark.parametrize("why", ["full", "read-only"])
def test_answers_for_a_queue_that_takes_none_are_one_line_and_may_come_again(
    run: Run, small_disk: Path, fill_queue: Callable[[Path], ReviewStore], why: str
) -> None:
    store = fill_queue(small_disk / "reviews.sqlite")
    by = {"value": "Home > Lamps", "user_id": "bob"}
    records = [
        {"id": f"item-{n}", "status": "completed", "responses": {"category": [by]}}
        for n in range(1, 5)
    ]
    Path("answers.json").write_text(json.dumps(records))
    command = ("review", "import", "answers.json", "--format", "argilla")
    refuse(small_disk, why)
    done = run(*command)
    assert done.code == 1
    [error] = done.error.splitlines()
    assert error.startswith(f"Error: The review store {store.path} must be a readable and writable")
    if why == "full":
        assert error.endswith("0 answers were taken; import the file again for the rest.")
        (small_disk / "filler").unlink()
    else:
        subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)
    assert "4 answers taken, 0 had been before" in run(*command).out
