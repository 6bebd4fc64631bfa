"""`shelfsure sign`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import BundleFolder


def sign(
    bundle: BundleFolder,
    key: Annotated[
        Path,
        typer.Option(
            help="PEM file of an Ed25519 private key: openssl genpkey -algorithm ed25519 -out FILE"
        ),
    ],
) -> None:
    """Sign a bundle, so that `--verify-key` can tell it from others."""
    from ..pipeline.signing import sign_bundle

    signed = sign_bundle(bundle, key)
    typer.echo(
        f"{signed} written. Where the bundle is used, give the public key: "
        "`shelfsure --verify-key PUBLIC.pem predict …` (made by openssl pkey -in "
        f"{key} -pubout -out PUBLIC.pem)."
    )
