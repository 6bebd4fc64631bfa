"""The command for the first minute: an example judged, and the demo open."""

import socket
import threading
import time
import webbrowser
from typing import Annotated

import typer

from .messages import say

HOST = "127.0.0.1"


def quickstart(
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Only say where the demo is.")
    ] = False,
) -> None:
    """Judge an example and open the demo, with the bundle that ships; Ctrl-C ends it."""
    from ..core.cache import ServingCache
    from ..core.extras import require_extra

    require_extra("serve", "Serving")
    from ..core.scratch import scratch_folder
    from ..embedding.run_options import RunOptions
    from ..pipeline.starter import starter_pipeline
    from ..serving.demo.examples import unpack_examples
    from ..serving.serve import check_free, serve

    check_free(HOST, port)
    say("Loading the bundle that ships with Shelfsure ...")
    pipeline = starter_pipeline(RunOptions(cache=ServingCache(), progress=True))
    with scratch_folder() as folder:
        example = next(each for each in unpack_examples(folder) if each.photo)
        verdict = pipeline.predict([example.listing])[0]
    say(f"{example.title!r} with its photo: {verdict.decision}, {verdict.category}.")
    for reason in verdict.reasons:
        say(f"  {reason}")
    url = f"http://{HOST}:{port}/"
    say(f"The demo is at {url} (REST below {url}v1). Ctrl-C ends it.")
    if not no_browser:
        threading.Thread(target=_open_when_there, args=(url, port), daemon=True).start()
    serve(lambda: pipeline, host=HOST, port=port)


def _open_when_there(url: str, port: int) -> None:
    while True:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            webbrowser.open(url)
            return
