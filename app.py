"""The demo's front door: ``python app.py``; also what a hosted Space runs.

python app.py                 the bundle that ships with Shelfsure
python app.py runs/shop       your own, from `shelfsure train`; or set SHELFSURE_BUNDLE

`shelfsure serve` does the same with more options.
"""

from pathlib import Path
from typing import Annotated

import typer


def main(
    bundle: Annotated[
        Path | None,
        typer.Argument(envvar="SHELFSURE_BUNDLE", help="Folder that `shelfsure train` wrote."),
    ] = None,
    host: Annotated[
        str, typer.Option(envvar="GRADIO_SERVER_NAME", help="0.0.0.0 lets others in.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(envvar="GRADIO_SERVER_PORT", min=1, max=65535)] = 7860,
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    api_key: Annotated[str | None, typer.Option(envvar="SHELFSURE_API_KEY")] = None,
) -> None:
    """Serve the demo, and REST below /v1, until Ctrl-C."""
    from shelfsure.cli.serve import serve
    from shelfsure.core.errors import ShelfsureError

    here = "127.0.0.1" if host == "0.0.0.0" else host  # noqa: S104 (compared, not listened on)
    typer.echo(f"Open http://{here}:{port}/ in a browser. The model loads meanwhile; Ctrl-C ends.")
    try:
        serve(bundle=bundle, host=host, port=port, device=device, api_key=api_key)
    except ShelfsureError as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    typer.run(main)
