"""Champion and challenger compared: pairs out of a log, bounds for every look, the report."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import shelfsure.cli.main as cli
from shelfsure.catalog.listing import Listing
from shelfsure.core.errors import ConfigError
from shelfsure.monitoring.comparison import compare, difference_interval, share_interval
from shelfsure.monitoring.experiment import Contender, Experiment
from shelfsure.monitoring.log_folder import LogFolder
from shelfsure.monitoring.log_rows import SCHEMA, Link, log_rows
from shelfsure.monitoring.pairs import COLUMNS, Pairs, Reviewed, agree, is_right, pairs_in
from shelfsure.pipeline.verdict import Verdict
from shelfsure.serving.review.store import ReviewStore

NOW = datetime.now(UTC)
TRIAL = Experiment(
    Contender("v1", "runs/live", 0.9, 0.95), Contender("v2", "runs/new", 0.9, 0.95), 0.1
)
Judge = Callable[..., Any]


def logged(judged: Judge, folder: LogFolder, said: list[tuple[str, str]], **options: Any) -> None:
    """Log listings a0, a1, ... of which champion and challenger name these categories."""
    for place, role in enumerate(("champion", "challenger")):
        embedded, verdicts = judged(len(said), version=f"v{place + 1}")
        own = [
            verdict.model_copy(update={"category": both[place]})
            for verdict, both in zip(verdicts, said, strict=True)
        ]
        links = [Link(f"p{n}", role, place == 0) for n in range(len(said))]  # type: ignore[arg-type]
        folder.append(log_rows(embedded, own, NOW, links=links), f"w{place}")


@pytest.fixture
def folder(tmp_path: Path) -> LogFolder:
    return LogFolder.create(tmp_path / "log")


def pairs_of(folder: LogFolder, trial: Experiment = TRIAL) -> Pairs:
    return pairs_in(folder.newest(10_000, COLUMNS), trial)


def test_pairs_are_found_by_their_link_each_listing_once(judged: Judge, folder: LogFolder) -> None:
    logged(judged, folder, [("A", "A"), ("A", "B"), ("B", "B")])
    embedded, verdicts = judged(2, "b")
    alone = [Link("q0", "champion", True), None]  # the first was dropped, the second has no trial
    folder.append(log_rows(embedded, verdicts, NOW, links=alone), "w")
    embedded, verdicts = judged(1)
    for role, version in (("champion", "v1"), ("challenger", "v2")):  # a0 again
        again = [verdicts[0].model_copy(update={"model_version": version})]
        rows = log_rows(embedded, again, NOW + timedelta(seconds=1), links=[Link("r", role, True)])
        folder.append(rows, "w")
    found = pairs_of(folder)
    assert [pair.listing_id for pair in found.pairs] == ["a0", "a1", "a2"]
    assert [pair.same_category for pair in found.pairs] == [True, False, True]
    assert found.n_alone == 1
    assert len(found.answered["champion"]) == 5
    other = replace(TRIAL, challenger=replace(TRIAL.challenger, version="v3"))
    assert not pairs_of(folder, other).pairs


def test_a_file_of_before_is_read_and_has_no_pairs(judged: Judge, folder: LogFolder) -> None:
    rows = log_rows(*judged(3), NOW)
    day = folder.path / f"{NOW:%Y-%m-%d}"
    day.mkdir()
    pq.write_table(rows.drop_columns([*Link._fields]), day / "old-0000.parquet")
    folder.append(log_rows(*judged(2, "b"), NOW), "new")
    assert folder.newest(10).schema == SCHEMA
    assert folder.newest(10)["pair"].null_count == 5
    assert pairs_of(folder) == Pairs([], {"champion": [], "challenger": []}, 0)


@pytest.mark.parametrize(
    ("decision", "category", "said", "right"),
    [
        ("accept", "A > B", Reviewed("x", "category", "A > B > C"), True),
        ("review", "A > B", Reviewed("x", "category", "A > C"), False),
        ("out_of_catalogue", "A", Reviewed("x", "category", "A"), False),
        ("out_of_catalogue", "A", Reviewed("x", "not_sold", None), True),
        ("accept", "A", Reviewed("x", "not_sold", None), False),
        ("rejected", None, Reviewed("x", "category", "A"), False),
    ],
)
def test_a_verdict_is_right_if_a_person_says_so(
    decision: str, category: str | None, said: Reviewed, right: bool
) -> None:
    assert is_right({"decision": decision, "category": category}, said) == right


def test_answers_agree_down_to_the_shallower_level() -> None:
    assert agree("A > B", "A")
    assert not agree("A > B", "A > C")
    assert not agree("A", None)


def test_reviews_are_compared_on_the_same_listings(judged: Judge, folder: LogFolder) -> None:
    logged(judged, folder, [("A", "B" if n % 4 else "A") for n in range(80)])
    reviews = [
        Reviewed(f"a{n}", "category", "B" if n % 4 and n % 8 != 3 else "A") for n in range(80)
    ]
    found = compare(pairs_of(folder), [*reviews, Reviewed("unknown", "category", "A")])
    assert found.agreement.mean == pytest.approx(0.25)
    assert found.agreement.low < 0.25 < found.agreement.high
    assert found.accepted == difference_interval([True] * 80, [True] * 80)
    assert found.n_right == {"champion": 30, "challenger": 70}
    assert found.right.mean == pytest.approx(40 / 80)
    assert 0 < found.right.low < 0.5 < found.right.high
    assert found.outcome() == "better"
    assert found.outcome(broken=True) == "worse"
    assert compare(pairs_of(folder)).outcome() == "undecided"


def test_nothing_is_known_of_no_answers() -> None:
    assert share_interval([]) == replace(share_interval([]), n=0, mean=None, low=0.0, high=1.0)
    assert (difference_interval([], []).low, difference_interval([], []).high) == (-1.0, 1.0)


@pytest.mark.parametrize("differing", [0.05, 0.3])
def test_two_equal_models_are_told_apart_at_any_look_in_one_trial_of_twenty(
    differing: float, rng: np.random.Generator
) -> None:
    n_trials = 100
    alarms = 0
    for _ in range(n_trials):
        differ = rng.random(300) < differing
        wins = rng.random(300) < 0.5
        champion = np.where(differ, wins, True)
        challenger = np.where(differ, ~wins, True)
        found = difference_interval(challenger.tolist(), champion.tolist())
        alarms += found.low > 0 or found.high < 0  # bounds only get tighter: at any look so far
    assert alarms <= 0.05 * n_trials + 2 * math.sqrt(0.05 * 0.95 * n_trials)


def test_a_better_model_is_found(rng: np.random.Generator) -> None:
    found = 0
    for _ in range(20):
        champion, challenger = rng.random(300) < 0.75, rng.random(300) < 0.95
        found += difference_interval(challenger.tolist(), champion.tolist()).low > 0
    assert found >= 18


def run(*arguments: str | Path) -> int:
    return int(cli.app([str(each) for each in arguments], standalone_mode=False) or 0)


def reviewed(path: Path, category: Callable[[int], str], n: int = 40) -> ReviewStore:
    store = ReviewStore(path)
    for number in range(n):
        verdict = Verdict(listing_id=f"a{number}", decision="review", model_version="v1")
        item = store.add(Listing(f"a{number}", f"title {number}"), verdict)
        store.label(item, category(number), "ann")
    return store


def test_ab_report_says_who_is_better_in_a_table_json_and_a_page(
    judged: Judge, folder: LogFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logged(judged, folder, [("A", "B <i")] * 30 + [("A", "A")] * 10)
    TRIAL.write(folder.path)
    reviews, out = tmp_path / "reviews.sqlite", tmp_path / "report"
    reviewed(reviews, lambda n: "B <i" if n < 30 else "A")
    arguments = ("ab", "report", folder.path, "--out", out, "--reviews", reviews)
    code = run(*arguments)
    printed = capsys.readouterr().out
    said = json.loads((out / "ab.json").read_text())
    assert (code, said["outcome"]) == (0, "better")
    assert "same category" in printed
    assert "shelfsure registry promote runs/new" in printed
    assert said["commands"]["go back"] == "shelfsure registry rollback NAME --out runs/live"
    odd = replace(TRIAL, challenger=replace(TRIAL.challenger, bundle="my runs/new"))
    odd.write(folder.path)
    assert run(*arguments) == 0
    assert "registry promote 'my runs/new' --name" in capsys.readouterr().out, "can be pasted"
    run(*arguments[:-1], tmp_path / "typo.sqlite")
    assert "no review queue at" in capsys.readouterr().err
    assert said["n_right"] == {"champion": 10, "challenger": 40}
    assert said["differences"] == [{"champion": "A", "challenger": "B <i", "n": 30}]
    page = (out / "ab.html").read_text()
    assert "B &lt;i" in page
    assert "<script" not in page
    assert "http" not in page.split("</style>")[1]
    assert "a17" not in page + json.dumps(said)  # no listing is among it
    replace(TRIAL, off="It failed again and again.").write(folder.path)
    assert run(*arguments) == 4
    assert "was switched off. It failed again" in capsys.readouterr().out
    assert run(*arguments[:4], out, "--reviews", tmp_path / "none.sqlite") == 4


def test_ab_report_is_undecided_without_answers(
    judged: Judge, folder: LogFolder, tmp_path: Path
) -> None:
    logged(judged, folder, [("A", "A")] * 5)
    TRIAL.write(folder.path)
    reviews = tmp_path / "reviews.sqlite"
    arguments = ("ab", "report", folder.path, "--out", tmp_path / "out", "--reviews", reviews)
    assert run(*arguments) == 5


def test_ab_report_of_a_log_without_a_trial_says_how_to_begin_one(
    judged: Judge, folder: LogFolder, tmp_path: Path
) -> None:
    folder.append(log_rows(*judged(3), NOW), "w")
    with pytest.raises(
        ConfigError, match=r"must have a readable experiment.json.*has none.*--challenger"
    ):
        run("ab", "report", folder.path, "--out", tmp_path / "out")
    (folder.path / "experiment.json").write_text('{"champion": 3}')
    with pytest.raises(ConfigError, match=r"has a damaged one.*TypeError"):
        run("ab", "report", folder.path, "--out", tmp_path / "out")
