import json
from pathlib import Path

import numpy as np
import pytest
from shelfsure.core.files import files_in
from shelfsure.fusion.classifier import LateFusion
from shelfsure.fusion.heads import LinearHead
from shelfsure.fusion.storage import ARRAYS, METHODS, load_classifier, save_classifier

PHOTO = frozenset({"photo"})


@pytest.fixture
def classifier(rng: np.random.Generator) -> LateFusion:
    # float64 and not contiguous: saving must take arrays as they come
    heads = {
        name: LinearHead(rng.normal(size=(4, 3)).T, rng.normal(size=3), rng.uniform(0.5, 2))
        for name in ("photo", "title_tfidf")
    }
    return LateFusion(heads, {PHOTO: {"photo": 1 / 3}}, np.log(np.full(3, 1 / 3, np.float32)))


def test_save_classifier_leaves_one_file_and_a_json_document(
    classifier: LateFusion, tmp_path: Path
) -> None:
    document = save_classifier(classifier, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [ARRAYS]
    assert document["method"] == "pool"
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_load_classifier_gives_back_every_number(classifier: LateFusion, tmp_path: Path) -> None:
    document = json.loads(json.dumps(save_classifier(classifier, tmp_path)))
    loaded = load_classifier(files_in(tmp_path), document)
    assert isinstance(loaded, LateFusion)
    assert list(loaded.heads) == list(classifier.heads)
    for name, head in classifier.heads.items():
        np.testing.assert_array_equal(
            loaded.heads[name].coefficients, np.float32(head.coefficients)
        )
        np.testing.assert_array_equal(loaded.heads[name].intercepts, np.float32(head.intercepts))
        assert loaded.heads[name].temperature == head.temperature
    assert loaded.weights == classifier.weights
    np.testing.assert_array_equal(loaded.log_prior, classifier.log_prior)


@pytest.mark.parametrize(
    ("change", "missing"),
    [({"method": "voting"}, "voting"), ({"temperatures": {"joint": 1.0}}, "joint.coefficients")],
)
def test_load_classifier_names_what_it_does_not_find(
    classifier: LateFusion, tmp_path: Path, change: dict[str, object], missing: str
) -> None:
    document = save_classifier(classifier, tmp_path) | change
    with pytest.raises(KeyError, match=missing):
        load_classifier(files_in(tmp_path), document)


def test_methods_are_named_as_their_classes_say() -> None:
    assert METHODS
    assert all(method.method == name for name, method in METHODS.items())
