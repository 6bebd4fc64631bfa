from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shelfsure.core.errors import ConfigError
from shelfsure.retrieval.zero_shot.labels import read_labels

NAME = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1).filter(
    lambda name: "," not in name and "\ufeff" not in name
)


def test_read_labels_splits_at_commas_and_drops_blanks_and_repeats() -> None:
    assert read_labels(" Tents, Mugs ,,Tents, Garden > Hammocks,", None) == (
        ["Tents", "Mugs", "Garden > Hammocks"],
        [None, None, None],
    )


def test_read_labels_reads_a_file_with_descriptions(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_bytes(
        "\ufeffTents\tfor camping, of cloth\r\n\r\n Mugs \nÜbertöpfe\t \nHooks\ta\tb\n".encode()
    )
    assert read_labels(None, path) == (
        ["Tents", "Mugs", "Übertöpfe", "Hooks"],
        ["for camping, of cloth", None, None, "a\tb"],
    )


@given(st.lists(NAME, min_size=2, max_size=6, unique=True))
def test_read_labels_gives_back_any_names(names: list[str]) -> None:
    assert read_labels(",".join(names), None) == (names, [None] * len(names))


@pytest.mark.parametrize(
    ("labels", "file", "message"),
    [
        (None, None, "either --labels or --labels-file"),
        ("Tents,Mugs", "labels.txt", "either --labels or --labels-file"),
        ("Tents", None, r"at least 2 categories, got \['Tents'\]"),
        ("Tents, Tents ,", None, r"got \['Tents'\]"),
        ("", None, r"got \[\]"),
        (None, "empty.txt", r"got \[\]"),
        (None, "nowhere.txt", r"nowhere\.txt must be a UTF-8 text file"),
        (None, "latin.txt", r"latin\.txt must be a UTF-8 text file, but: .*0xfc"),
        (None, ".", "must be a UTF-8 text file"),
    ],
)
def test_read_labels_says_what_is_wrong(
    labels: str | None, file: str | None, message: str, tmp_path: Path
) -> None:
    (tmp_path / "labels.txt").write_text("Tents\nMugs\n")
    (tmp_path / "empty.txt").write_text("\n \n")
    (tmp_path / "latin.txt").write_bytes("Tür\nTor".encode("latin-1"))
    with pytest.raises(ConfigError, match=message):
        read_labels(labels, tmp_path / file if file else None)
