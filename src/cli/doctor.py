"""The command that looks whether this machine has what Shelfsure needs."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Literal, NamedTuple, get_args

import typer

from .messages import print_table, say

State = Literal["ok", "note", "wrong"]
LITTLE_DISK = 2_000_000_000
"""Free bytes below which a converted encoder, or an index, may not fit."""
PACKAGES = (
    "torch",
    "torchvision",
    "timm",
    "open_clip_torch",
    "transformers",
    "sentence-transformers",
    "faiss-cpu",
    "scikit-learn",
    "numpy",
    "pillow",
    "gradio",
    "mlflow",
)
OPENMP = {"libgomp": "GNU's", "libiomp": "Intel's", "libomp": "LLVM's"}


class Finding(NamedTuple):
    """One thing looked at: in order, worth knowing, or to be put right."""

    what: str
    state: State
    said: str


def doctor() -> None:
    """Look at versions, weights, threads, disk and cache (exit code 1: something must be mended).

    Nothing is downloaded, and nothing is changed.
    """
    findings = [finding for look in LOOKS for finding in look()]
    print_table(("", "what", "found"), [(f.state, f.what, f.said) for f in findings])
    n_wrong = sum(finding.state == "wrong" for finding in findings)
    if n_wrong:
        say(f"{n_wrong} of {len(findings)} must be mended.")
        raise typer.Exit(1)
    say("Everything that Shelfsure needs is here.")


def look_at_versions() -> list[Finding]:
    """Tell Python's and the packages' versions."""
    own = f"{_version('shelfsure')} on Python {platform.python_version()}, {platform.platform()}"
    found = {name: _version(name) for name in PACKAGES}
    missing = [name for name, number in found.items() if not number]
    said = ", ".join(f"{name} {number}" for name, number in found.items() if number)
    findings = [Finding("shelfsure", "ok", own), Finding("packages", "ok", said)]
    if missing:
        mend = f"{', '.join(missing)} must be installed. Run: pip install --upgrade shelfsure"
        findings.append(Finding("packages", "wrong", mend))
    return findings


def look_at_extras() -> list[Finding]:
    """Tell what else is installed, and what it would take."""
    from ..core.extras import Extra, missing_modules

    findings = []
    for extra in get_args(Extra):
        missing = missing_modules(extra)
        said = f"without {', '.join(missing)}: pip install 'shelfsure[{extra}]'"
        state: State = "note" if missing else "ok"
        findings.append(Finding(f"extra {extra}", state, said if missing else "installed"))
    return findings


def look_at_weights() -> list[Finding]:
    """Compare the starter weights with the sha256 that this version was built for."""
    from ..core.errors import WeightsError
    from ..text.encoder import starter_weights as text_weights
    from ..vision.backbone import PACKAGED, STARTER

    findings = []
    for what, find in (("photo weights", PACKAGED[STARTER].locate), ("text weights", text_weights)):
        try:
            findings.append(Finding(what, "ok", f"{find().name}, sha256 as expected"))
        except WeightsError as error:
            findings.append(Finding(what, "wrong", str(error)))
    return findings


def look_at_processor() -> list[Finding]:
    """Tell the device, and whether the libraries' thread pools get into each other's way."""
    import faiss  # noqa: F401 (it brings its own OpenMP)
    import sklearn  # noqa: F401
    import torch
    from threadpoolctl import threadpool_info

    from ..core.device import pick_device

    device = pick_device()
    said = torch.cuda.get_device_name() if device == "cuda" else platform.processor()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    threads = f"{device} {said}, {usable} cores, {torch.get_num_threads()} threads of PyTorch"
    kinds = {pool["prefix"] for pool in threadpool_info() if pool["user_api"] == "openmp"}
    named = " and ".join(sorted(OPENMP.get(kind, kind) for kind in kinds)) or "none"
    clash = len(kinds) > 1
    mend = f"{named} are loaded together, which slows down or stops both: install one build of each"
    return [
        Finding("device", "ok", threads),
        Finding("OpenMP", "wrong" if clash else "ok", mend if clash else named),
    ]


def look_at_disk() -> list[Finding]:
    """See whether the cache can be written, and how much room there is."""
    from ..core.cache import EmbeddingCache, default_cache_dir
    from ..core.errors import ShelfsureError

    folder = default_cache_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        free, info = shutil.disk_usage(folder).free, EmbeddingCache().info()
    except (OSError, ShelfsureError) as error:
        said = f"{folder} must be writable, but: {error}. Set SHELFSURE_CACHE_DIR to another folder"
        return [Finding("cache", "wrong", said)]
    held = f"{folder}: {info.n_vectors:,} vectors, {info.n_bytes / 1e6:,.1f} MB"
    little = f"{free / 1e9:.1f} GB free; `shelfsure cache clear` makes room"
    return [
        Finding("cache", "ok", held),
        Finding(
            "disk",
            "note" if free < LITTLE_DISK else "ok",
            little if free < LITTLE_DISK else f"{free / 1e9:.1f} GB free",
        ),
    ]


LOOKS: tuple[Callable[[], list[Finding]], ...] = (
    look_at_versions,
    look_at_extras,
    look_at_weights,
    look_at_processor,
    look_at_disk,
)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
