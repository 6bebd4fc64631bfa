from dataclasses import replace
from pathlib import Path

import pytest
from shelfsure.catalog.catalog import read_catalog
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.demo.batch_job import BatchJob
from shelfsure.serving.demo.batch_result import downloads, read_batch, write_batch
from shelfsure.serving.demo.uploads.uploads import Upload
from shelfsure.serving.service import Service


def test_a_batch_is_read_as_it_was_written(
    tiny_trained: ListingPipeline, tiny_folder: Path, tmp_path: Path
) -> None:
    upload = Upload(read_catalog(tiny_folder / "catalogue.csv"), tiny_folder.resolve())
    pipeline = replace(tiny_trained, retrieval=None, version="abc")
    with Service(lambda: pipeline) as service:
        job = BatchJob(service, upload)
        list(job.run())
    write_batch(job, tmp_path, tmp_path)
    kept = read_batch(tmp_path)
    assert kept.rows == job.rows
    assert len(kept.rows) == 64
    written = {
        row: replace(one, image=str(one.image)) if one.image else one
        for row, one in job.listings.items()
    }
    assert kept.listings == written
    names = [path.name for path in downloads(tmp_path)]
    assert names == ["rejected.csv", "verdicts.csv", "verdicts.jsonl", "verdicts.parquet"]
    (tmp_path / "rows.jsonl").write_text("{}\n")
    with pytest.raises(ValueError, match="row"):
        read_batch(tmp_path)
