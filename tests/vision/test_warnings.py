"""The filter that keeps Pillow quiet is no trouble for others."""

import warnings

import pytest
from shelfsure.vision.formats import quiet_pillow
from sklearn.utils.parallel import Parallel, delayed


def test_scikit_learn_can_copy_the_filter_into_its_workers() -> None:
    with warnings.catch_warnings():
        with quiet_pillow():
            pass
        parallel = Parallel(n_jobs=2, backend="threading")
        assert parallel(delayed(abs)(number) for number in (-1, 2)) == [1, 2]
        with pytest.warns(UserWarning, match="still said"):
            warnings.warn("still said", stacklevel=1)
