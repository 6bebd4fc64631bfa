"""What was compared lately is neither decoded nor read again."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from shelfsure.core.cache import EmbeddingCache
from shelfsure.retrieval.duplicates.detail_memory import DetailMemory, catalogue_details
from shelfsure.retrieval.duplicates.detail_store import DetailStore
from shelfsure.vision.load import PhotoLimits


@pytest.fixture
def details(product, detail) -> dict:
    return {f"photo {number}": detail(product(number)) for number in range(4)}


def test_what_was_asked_for_last_stays(details) -> None:
    memory = DetailMemory(None, max_details=3)
    first, *others = details
    memory.write({first: details[first]})
    memory.write({name: details[name] for name in others[:2]})
    assert memory.read([first]) == {first: details[first]}
    memory.write({others[2]: details[others[2]]})
    assert memory.read(details).keys() == {first, others[1], others[2]}


def test_the_store_is_asked_only_for_what_isnt_in_memory(details, tmp_path, monkeypatch) -> None:
    DetailStore(tmp_path, PhotoLimits()).write(details)
    asked: list[str] = []
    read = EmbeddingCache.read

    def counted(self, encoder, contents):
        asked.extend(contents)
        return read(self, encoder, contents)

    monkeypatch.setattr(EmbeddingCache, "read", counted)
    memory = DetailMemory(DetailStore(tmp_path, PhotoLimits()))
    for _ in range(3):
        assert memory.read(details).keys() == details.keys()
    assert sorted(asked) == sorted(details)


def test_what_is_written_is_in_the_store_as_well(details, tmp_path) -> None:
    DetailMemory(DetailStore(tmp_path, PhotoLimits())).write(details)
    assert DetailStore(tmp_path, PhotoLimits()).read(details).keys() == details.keys()


def test_many_threads_may_read_and_write_at_once(details) -> None:
    memory = DetailMemory(None, max_details=2)

    def work(number: int) -> int:
        name = f"photo {number % 4}"
        memory.write({name: details[name]})
        return len(memory.read(details))

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(work, range(400))) <= 2


def test_all_pipelines_of_a_process_share_one_memory(tmp_path) -> None:
    assert catalogue_details(tmp_path, PhotoLimits()) is catalogue_details(tmp_path, PhotoLimits())
    other = PhotoLimits(allow_truncated=True)
    assert catalogue_details(tmp_path, other) is not catalogue_details(tmp_path, PhotoLimits())
