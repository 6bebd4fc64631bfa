"""The command line as people meet it: files in, files out, one clear line where it can't be."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import shelfsure.cli.main as cli
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from shelfsure.core.cache import EmbeddingCache
from shelfsure.pipeline.manifest import VERIFY_KEY
from shelfsure.serving.review.store import ReviewStore

CONFIG = """\
image: {side_px: 64}
levels: 2
min_examples: 5
accept: {target_precision: 0.8, confidence: 0.8}
"""


Run = Callable[..., Any]


@pytest.fixture
def run(run_starter: Run) -> Run:
    """With the starter's own encoders."""
    return run_starter


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory, tiny_folder: Path) -> Path:
    """Folder with a configuration and, once the first test has run, a bundle."""
    folder = tmp_path_factory.mktemp("workplace")
    (folder / "quick.yaml").write_text(CONFIG)
    return folder


@pytest.fixture
def bundle(run: Run, workplace: Path, tiny_folder: Path) -> Path:
    """Train once; later tests find it there."""
    folder = workplace / "shop"
    if not folder.exists():
        options = ("--config", workplace / "quick.yaml", "--mlflow", "none")
        options += ("--device", "cpu", "--runtime", "torch")
        done = run("train", tiny_folder / "catalogue.csv", "--out", folder, *options)
        assert done.code == 0, done.error
        (workplace / "train.txt").write_text(done.out)
    return folder


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_train_writes_a_bundle_and_says_what_it_did(bundle: Path, workplace: Path) -> None:
    said = (workplace / "train.txt").read_text()
    assert "64 rows: 62 kept, 2 rejected" in said
    assert "Garden > Hoses (2)" in said
    assert "3 categories, 60 listings" in said
    assert str(bundle) in said
    rejected = records(workplace / "shop/rejected.csv")
    assert [row["listing_id"] for row in rejected] == ["bad-photo", "t00"]
    assert (bundle / "manifest.json").is_file()
    config = json.loads((bundle / "model.json").read_text(encoding="utf-8"))["config"]
    assert (config["levels"], config["image"]["side_px"]) == (2, 64)


def test_predict_judges_every_row(run: Run, bundle: Path, tiny_folder: Path) -> None:
    catalogue = tiny_folder / "catalogue.csv"
    done = run("predict", bundle, catalogue, "--out", "verdicts.csv", "--device", "cpu")
    assert done.code == 0, done.error
    assert "2 rejected" in done.out
    verdicts, listings = records(Path("verdicts.csv")), records(catalogue)
    assert [v["listing_id"] for v in verdicts] == [x["listing_id"] for x in listings]
    pairs = [(v, x) for v, x in zip(verdicts, listings, strict=True) if v["category"]]
    right = [v["category"] == x["category"] for v, x in pairs if x["category"].startswith("H")]
    assert sum(right) > 0.9 * len(right) > 30


def test_predict_says_what_it_took_for_what(
    run: Run, bundle: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    rows = records(tiny_folder / "catalogue.csv")[:4]
    with (tmp_path / "shop.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["SKU", "Product Name", "Image URL"])
        writer.writerows([[row["listing_id"], row["title"], "https://x.org/a.jpg"] for row in rows])
    options = ("--out", "verdicts.csv", "--device", "cpu", "--on-photo-error", "title")
    done = run("predict", bundle, "shop.csv", *options)
    assert done.code == 0, done.error
    said = done.error.splitlines()
    assert (
        "shop.csv: columns listing_id from SKU, title from Product Name, image from Image URL; "
        "none for description, brand, category."
    ) in said
    assert "Note: fields end with `;`." in said
    assert any("4 listings go by their title" in line for line in said)
    assert [row["route"] for row in records(Path("verdicts.csv"))] == ["text_only"] * 4


def test_train_warns_where_levels_have_no_effect(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,title,category\n1,mug,Mugs\n2,cup,mugs\n")
    done = run("train", "a.csv", "--out", "b", "--levels", "2", "--mlflow", "none")
    assert done.code == 1
    assert "Warning: --levels 2 has no effect: no category has more than 1 level" in done.error
    assert "differ only in case, spaces or marks, and each is one of its own: 'Mugs' / 'mugs'" in (
        done.error
    )


def test_evaluate_writes_a_report(run: Run, bundle: Path, tiny_folder: Path) -> None:
    done = run("evaluate", bundle, tiny_folder / "catalogue.csv", "--out", "report",
               "--device", "cpu", "--mlflow", "none")  # fmt: skip
    assert done.code == 0, done.error
    assert any(path.suffix == ".html" for path in Path("report").iterdir())
    assert [row["listing_id"] for row in records(Path("report/rejected.csv"))] == [
        "bad-photo",
        "t00",
    ]
    assert "Fusion" in done.out or "fusion" in done.out


def test_evaluate_says_why_no_row_is_left(run: Run, bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    lines = "listing_id,image,category\na,broken.jpg,A > B\nb,broken.jpg,A > B\n"
    (tmp_path / "listings.csv").write_text(lines, encoding="utf-8")
    done = run("evaluate", bundle, "listings.csv", "--out", "report",
               "--device", "cpu", "--mlflow", "none")  # fmt: skip
    assert done.code == 1
    assert "2 rejected (2 unusable photo)" in done.error
    assert "Row 1: unusable photo" in done.error


def test_split_parts_hold_every_good_row_once(run: Run, tiny_folder: Path) -> None:
    done = run("split", tiny_folder / "catalogue.csv", "--out", "parts", "--device", "cpu")
    assert done.code == 0, done.error
    parts = {name: records(Path(f"parts/{name}.csv")) for name in ("train", "test")}
    ids = [row["listing_id"] for rows in parts.values() for row in rows]
    assert len(ids) == len(set(ids)) == 62
    assert 0 < len(parts["test"]) < len(parts["train"])
    assert f"--image-root {tiny_folder}" in done.out


def test_sample_and_a_look_at_it(run: Run) -> None:
    done = run("sample", "demo", "--sheet", "sheet.png")
    assert done.code == 0, done.error
    assert "480 listings" in done.out
    assert len(records(Path("demo/catalogue.csv"))) == 480
    assert Path("sheet.png").is_file()
    again = run("sample", "demo")
    assert again.code == 1
    assert "demo" in again.error


def test_sample_has_the_seed_it_was_drawn_with(run: Run) -> None:
    refused = run("sample", "other", "--seed", "3")
    assert refused.code == 1
    assert "tools.sample_catalogue --seed 3" in refused.error.replace("\n", " ")
    assert not Path("other").exists()
    assert run("sample", "same", "--seed", "7").code == 0


def test_cache_info_and_clear(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHELFSURE_CACHE_DIR", str(tmp_path / "own"))
    EmbeddingCache().write("e", {"a": [0.0] * 250_000, "b": [1.0] * 250_000})  # type: ignore[dict-item]
    info = run("cache", "info")
    assert info.code == 0
    assert str(tmp_path / "own") in info.out
    assert "2 vectors of 1 encoder" in info.out
    assert "2.0 of at most 2,000 MB" in info.out
    assert run("cache", "clear").out == "2 vectors removed.\n"
    assert "0 vectors" in run("cache", "info").out


def error_line(done: Any) -> str:
    """The one message of a command that couldn't: no stack trace, and only how a file was read."""
    assert done.code == 1
    said, mark, error = done.error.rpartition("Error: ")
    assert mark
    assert all(": columns " in line or line[:6] == "Note: " for line in said.splitlines())
    return error.strip()


@pytest.fixture
def train_arguments(tiny_folder: Path) -> dict[str, object]:
    return {"catalogue": tiny_folder / "catalogue.csv", "--out": "new", "--device": "cpu",
            "--mlflow": "none"}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"catalogue": "nowhere.csv"}, ["nowhere.csv", "there is no such file"]),
        ({"catalogue": "full/listings.docx"}, ["listings.docx", ".csv, .tsv", "'.docx'"]),
        ({"--out": "full"}, ["full holds something else", "Name another folder"]),
        ({"--device": "toaster"}, ["'toaster'", "cpu"]),
        ({"--config": "broken.yaml"}, ["broken.yaml must be YAML", "line 1"]),
        ({"--config": "wrong.yaml"}, ["3 problem", "levels", "image.weight", "n_folds", "'two'"]),
        ({"--config": "nowhere.yaml"}, ["starter", "nowhere.yaml"]),
        ({"--image-root": "nowhere"}, ["nowhere", "--image-root"]),
        ({"--category-column": "kind"}, ["kind", "category"]),
    ],
)
def test_train_says_in_one_line_what_is_wrong(
    run: Run, train_arguments: dict[str, object], change: dict[str, str], said: list[str]
) -> None:
    Path("full").mkdir()
    Path("full/photo.jpg").touch()
    Path("full/listings.docx").touch()
    Path("broken.yaml").write_text("levels: [1")
    Path("wrong.yaml").write_text("levels: two\nimage: {weight: x}\nn_folds: 1\n")
    arguments = {**train_arguments, **change}
    catalogue = arguments.pop("catalogue")
    options = [text for pair in arguments.items() for text in pair]
    message = error_line(run("train", catalogue, *options))
    for words in said:
        assert words in message
    assert not Path("new").exists()


def test_train_keeps_an_old_bundle(run: Run, bundle: Path, tiny_folder: Path) -> None:
    message = error_line(run("train", tiny_folder / "catalogue.csv", "--out", bundle))
    assert f"{bundle} already holds a bundle" in message
    assert "--overwrite" in message


def test_predict_says_in_one_line_what_is_wrong(run: Run, bundle: Path, tiny_folder: Path) -> None:
    catalogue = tiny_folder / "catalogue.csv"
    message = error_line(run("predict", bundle, catalogue, "--out", "verdicts.xlsx"))
    assert "verdicts.xlsx" in message
    assert ".parquet" in message
    message = error_line(run("predict", tiny_folder, catalogue, "--out", "v.csv"))
    assert "manifest.json" in message
    assert "shelfsure train" in message


@pytest.mark.parametrize("bad", [["--levels", "0"], ["--no-such-option"], ["--max-pixels", "x"]])
def test_wrong_options_are_usage_errors(
    run: Run, train_arguments: dict[str, object], bad: list[str]
) -> None:
    done = run("train", train_arguments["catalogue"], "--out", "new", *bad)
    assert done.code == 2
    assert bad[0] in done.error


@pytest.mark.parametrize(
    "command",
    [[], ["train"], ["predict"], ["evaluate"], ["split"], ["sample"], ["cache"],
     ["cache", "info"], ["cache", "clear"]],
    ids=" ".join,
)  # fmt: skip
def test_help_answers_for_every_command(run: Run, command: list[str]) -> None:
    done = run(*command, "--help")
    assert done.code == 0
    assert "Usage: shelfsure" in done.out


def test_help_lists_every_command_that_is_tested(run: Run) -> None:
    commands = {c.name or c.callback.__name__ for c in cli.app.registered_commands if c.callback}
    assert commands >= {"train", "predict", "evaluate", "split", "sample"}
    said = run("--help").out
    assert all(name in said for name in commands)


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['shelfsure', '--help']\n"
        "from shelfsure.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pandas', 'sklearn', 'PIL', 'mlflow', 'gradio', 'timm'}\n"
        "print('loaded:', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "loaded: []", done.stderr


def test_predict_has_accepted_listings_audited_and_monitor_watches_the_promise(
    run: Run, bundle: Path, tiny_folder: Path, tmp_path: Path
) -> None:
    catalogue, queue = tiny_folder / "catalogue.csv", tmp_path / "reviews.sqlite"
    predict = ("predict", bundle, catalogue, "--out", "v.csv", "--device", "cpu")
    predict += ("--no-duplicates", "--audit", "100%", "--reviews", queue)
    done = run(*predict)
    assert done.code == 0, done.error
    rows = records(tmp_path / "v.csv")
    accepted = [row for row in rows if row["decision"] == "accept"]
    assert accepted
    assert [row["audit"] == "True" for row in rows] == [r["decision"] == "accept" for r in rows]
    assert f"{len(accepted):,} listings to audit are in {queue}" in done.out
    assert [int(row["row"]) for row in rows] == list(range(1, len(rows) + 1))
    watched = run("monitor", bundle, "--reviews", queue)
    assert (watched.code, "No accepted listing was audited yet" in watched.out) == (0, True)

    store = ReviewStore(queue)
    for item in store.pending(100):
        store.label(item.item_id, "Nowhere > Nothing", "ann")
    watched = run("monitor", bundle, "--reviews", queue)
    assert watched.code == 4
    assert f"Of {len(accepted)} accepted listings that were audited 0 were right" in watched.out
    done = run(*predict)
    assert done.code == 0, done.error
    assert "That breaks the promise" in done.out
    assert "accept" not in {row["decision"] for row in records(tmp_path / "v.csv")}
    for share in ("0", "101%", "some"):
        message = error_line(run(*predict[:-4], "--audit", share))
        assert "--audit must be a share above 0% and at most 100%" in message
    (tmp_path / "v.csv").unlink()
    queue.write_bytes(b"no database")
    assert "must be a readable and writable SQLite file" in error_line(run(*predict))
    assert not (tmp_path / "v.csv").exists()


def test_sign_and_verify_key(
    run: Run, bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VERIFY_KEY, "")  # what --verify-key sets goes with the test
    private, public = tmp_path / "private.pem", tmp_path / "public.pem"
    key = Ed25519PrivateKey.generate()
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(
        key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    mine = shutil.copytree(bundle, tmp_path / "mine")
    refused = run("--verify-key", public, "taxonomy", "list", mine)
    assert (refused.code, refused.out) == (1, "")
    assert f"Bundle {mine} must be signed" in refused.error
    assert "--verify-key PUBLIC.pem" in run("sign", mine, "--key", private).out
    listed = run("--verify-key", public, "taxonomy", "list", mine)
    assert listed.code == 0, listed.error
    assert listed.out


def test_ctrl_c_is_said_in_a_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stopped(**_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ReviewStore, "counts", lambda _: stopped())
    monkeypatch.setattr(sys, "argv", ["shelfsure", "review", "list"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err.strip().endswith("Stopped.")
