"""How a run frames its photos."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from shelfsure.catalog.catalog import Catalog
from shelfsure.embedding.run_options import RunOptions
from shelfsure.finetuning import framing
from shelfsure.finetuning.config import FinetuneConfig
from shelfsure.finetuning.framing import decide_framing
from shelfsure.finetuning.state import RunState

OPTIONS = RunOptions(device="cpu").resolved("float32")


def state_in(folder: Path) -> RunState:
    state = RunState(folder / ".run.finetuning")
    state.folder.mkdir()
    return state


def test_decide_framing_compares_what_frozen_features_say(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = []

    def look(
        features: Mapping[str, np.ndarray], names: Sequence[str], groups: np.ndarray, _: int
    ) -> tuple[str, dict[str, float]]:
        compared.append({mode: seen.shape for mode, seen in features.items()})
        assert len(names) == len(groups) == 72  # without the broken one, and the one without photo
        assert not np.array_equal(*features.values())
        return "center", {"border": 2.0, "center": 1.0}

    monkeypatch.setattr(framing, "best_crop_mode", look)
    config = quick.model_copy(update={"backbone": "starter", "crop_mode": "auto"})
    for number, item in enumerate(patterns.listings[:72]):  # squares are framed alike
        wide = np.hstack(
            [np.asarray(Image.open(item.image)), np.full((48, 9, 3), number, np.uint8)]
        )
        Image.fromarray(wide).save(tmp_path / f"{number}.png")
    listings = [
        replace(item, image=item.image and tmp_path / f"{number}.png")
        for number, item in enumerate(patterns.listings)
    ]
    (tmp_path / "72.png").write_bytes(b"no photo")
    state = state_in(tmp_path)
    chosen, losses = decide_framing(listings, config, state, OPTIONS)
    assert (chosen.crop_mode, chosen.side_px) == ("center", 48)
    assert losses == {"border": 2.0, "center": 1.0}
    assert compared == [{"border": (72, 1280), "center": (72, 1280)}]
    assert decide_framing(listings, config, state, OPTIONS) == (
        chosen,
        losses,
    )  # a resumed run
    assert len(compared) == 1


@pytest.mark.parametrize(
    ("changed", "mode"),
    [({"crop_mode": "squash"}, "squash"), ({"crop_mode": "auto"}, "border")],
)
def test_decide_framing_without_anything_to_compare(
    patterns: Catalog, quick: FinetuneConfig, tmp_path: Path, changed: dict[str, str], mode: str
) -> None:
    """As it was told; and an untrained backbone has no features to compare."""
    config = quick.model_copy(update=changed)
    chosen, losses = decide_framing(patterns.listings, config, state_in(tmp_path), OPTIONS)
    assert (chosen.crop_mode, losses) == (mode, {})
