"""Every operation against its own OpenAPI page, with requests made up from it, good and bad."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, assume, given, settings
from schemathesis import GenerationMode
from shelfsure.pipeline.pipeline import ListingPipeline
from shelfsure.serving.rest.api import create_app
from shelfsure.serving.service import Service


@pytest.fixture(scope="module")
def service(
    tiny_trained: ListingPipeline, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    saved: ListingPipeline = tiny_trained.save(tmp_path_factory.mktemp("fuzzed") / "shop")
    with Service(lambda: saved) as service:
        _ = service.pipeline
        yield service


@pytest.mark.parametrize("mode", list(GenerationMode))
def test_every_operation_keeps_what_its_page_says(service: Service, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", create_app(service))
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 7
    for operation in operations:
        if mode is GenerationMode.NEGATIVE and operation.method != "post":
            continue  # nothing to get wrong

        @settings(max_examples=30, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy(mode))
        def check(case: Any) -> None:
            # in a form every value is text, so that a wrong type can't be told
            assume(mode is GenerationMode.POSITIVE or case.media_type == "application/json")
            case.call_and_validate()

        check()
