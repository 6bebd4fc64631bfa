"""The compose file of a Spark cluster, as far as that can be told without Docker."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PLACE = ROOT / "deploy" / "spark"


@pytest.fixture
def services() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((PLACE / "compose.yaml").read_text(encoding="utf-8"))
    return dict(loaded["services"])


def test_two_workers_find_the_master_and_all_see_one_folder(services: dict[str, Any]) -> None:
    command = services["master"]["command"]
    address = dict(zip(command[1::2], command[2::2], strict=True))
    assert services["worker"]["command"][-1] == f"spark://{address['--host']}:{address['--port']}"
    assert address["--host"] == "master"
    assert services["worker"]["deploy"]["replicas"] == 2
    assert {tuple(service["volumes"]) for service in services.values()} == {
        ("${SHELFSURE_SHOP:-../../demo}:/shop",)
    }
    assert (PLACE / services["master"]["build"]["context"] / "Dockerfile").is_file()


def test_services_are_hardened_and_stay_on_this_machine(services: dict[str, Any]) -> None:
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["tmpfs"] == ["/tmp"]  # noqa: S108 - a mount, not a file of ours
        assert "no-new-privileges:true" in service["security_opt"]
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_the_image_has_the_spark_that_is_tested() -> None:
    pins = [re.findall(r"(?:pyspark|py4j)==[\d.]+", path.read_text(encoding="utf-8"))
            for path in (PLACE / "Dockerfile", ROOT / "Makefile")]  # fmt: skip
    assert len(pins[0]) == 2
    assert pins[0] == pins[1]
