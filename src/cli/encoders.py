"""What commands that search need: encoders by configuration, one listing embedded."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import ConfigError
from .options import Reading

if TYPE_CHECKING:
    from ..embedding.embedder import Embedder
    from ..fusion.views import View

ConfigOption = Annotated[str, typer.Option("--config", help="starter, full, or a YAML file.")]


def embedder_of(reading: Reading, config: str) -> "Embedder":
    from ..core.config import load_config
    from ..embedding.embedder import load_embedder

    return load_embedder(
        load_config(config),
        device=reading.device,
        cache=reading.cache(),
        limits=reading.limits(),
        progress=True,
        runtime=reading.runtime,
    )


def fingerprints_of(embedder: "Embedder") -> dict[str, str]:
    return {"photo": embedder.photos.fingerprint, "title": embedder.texts.fingerprint}


def embed_one(photo: Path | None, title: str | None, embedder: "Embedder") -> "tuple[View, View]":
    """Embed one listing; its photo's error is the user's."""
    from ..catalog.listing import Listing
    from ..core.errors import UnreadablePhotoError

    if photo is None and not (title or "").strip():
        raise ConfigError("A photo or a title is needed, but neither was given.")
    embedded = embedder.embed([Listing(title=title, image=photo)], description=False)
    if embedded.problems:
        raise UnreadablePhotoError(embedded.problems[0])
    return embedded.photo, embedded.title
