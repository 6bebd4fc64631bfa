"""The command that serves the demo and REST."""

import os
import re
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .log_options import LogOptions
from .options import (
    AuditOption,
    EncoderOptions,
    OnShiftOption,
    PhotoOptions,
    takes_options,
)
from .shares import share_of

if TYPE_CHECKING:
    from ..pipeline.pipeline import ListingPipeline
    from ..serving.challenger import Challenger
    from ..serving.verdict_webhook import VerdictWebhook

_WHO, _HOW, _HOOKS, _TRIAL = "Who may ask", "How much", "Webhooks", "A model on trial"


@takes_options
def serve(
    photos: PhotoOptions,
    encoders: EncoderOptions,
    log: LogOptions,
    bundle: Annotated[
        Path | None,
        typer.Argument(help="Folder that `shelfsure train` wrote (default: the starter's)."),
    ] = None,
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="0 chooses a free one.", min=0, max=65535)] = 8000,
    no_ui: Annotated[bool, typer.Option("--no-ui", help="REST alone, without the demo.")] = False,
    reviews: Annotated[
        Path | None, typer.Option(help="File or folder of the demo's review queue.")
    ] = None,
    api_key: Annotated[
        str | None,
        typer.Option(
            envvar="SHELFSURE_API_KEY",
            show_envvar=True,
            help="Ask everybody for it; browsers as a password.",
            rich_help_panel=_WHO,
        ),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Name under which a proxy reaches this server.", rich_help_panel=_WHO),
    ] = None,
    max_mb: Annotated[
        int, typer.Option(help="Of one REST request.", min=1, rich_help_panel=_HOW)
    ] = 32,
    max_items: Annotated[
        int, typer.Option(help="Listings in one REST request.", min=1, rich_help_panel=_HOW)
    ] = 64,
    max_queue: Annotated[
        int, typer.Option(help="Listings that may wait.", min=1, rich_help_panel=_HOW)
    ] = 256,
    on_shift: OnShiftOption = "review",
    audit: AuditOption = None,
    category_taxonomy: Annotated[
        Path | None,
        typer.Option(
            help="Google's product taxonomy with ids, or a file like it: verdicts say them."
        ),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            help="Post each verdict that isn't `accept` there, signed with "
            "SHELFSURE_WEBHOOK_KEY as Standard Webhooks say.",
            rich_help_panel=_HOOKS,
        ),
    ] = None,
    webhook_all: Annotated[
        bool,
        typer.Option("--webhook-all", help="Post accepted ones, too.", rich_help_panel=_HOOKS),
    ] = False,
    webhook_key: Annotated[
        str | None, typer.Option(envvar="SHELFSURE_WEBHOOK_KEY", hidden=True)
    ] = None,
    shopify_secret: Annotated[
        str | None, typer.Option(envvar="SHELFSURE_SHOPIFY_SECRET", hidden=True)
    ] = None,
    challenger: Annotated[
        Path | None,
        typer.Option(
            help="Bundle that judges the same requests, behind the answers; see `shelfsure ab`.",
            rich_help_panel=_TRIAL,
        ),
    ] = None,
    share: Annotated[
        str,
        typer.Option(
            help="Of sellers, or ids, that the challenger answers, as 10% or 0.1; 0: of none.",
            rich_help_panel=_TRIAL,
        ),
    ] = "0",
    shadow: Annotated[
        bool, typer.Option("--shadow", help="The same as --share 0.", rich_help_panel=_TRIAL)
    ] = False,
) -> None:
    """Serve the demo and REST until Ctrl-C; a new bundle in the folder is taken up by itself.

    With SHELFSURE_SHOPIFY_SECRET set, Shopify's product events are judged: see docs/webhooks.md.
    """
    from ..core.errors import ConfigError
    from ..core.extras import require_extra

    require_extra("serve", "Serving")
    from ..catalog.taxonomy_file import read_taxonomy
    from ..core.cache import ServingCache
    from ..pipeline.persistence import load_settings
    from ..serving.rest.guard import LOOPBACK_NAMES
    from ..serving.rest.limits import MEGABYTE, Limits
    from ..serving.serve import serve as run

    if api_key is not None and (not api_key.isascii() or len(api_key) < 16):
        raise ConfigError(
            "An API key must have at least 16 ASCII characters. Make one with: "
            "python -c 'import secrets; print(secrets.token_urlsafe(32))'"
        )
    if host not in LOOPBACK_NAMES and api_key is None:
        typer.echo(
            f"Warning: whoever reaches {host}:{port} may use this server. Set an --api-key.",
            err=True,
        )
    poster = _webhook(webhook, webhook_key, every=webhook_all)
    taxonomy = read_taxonomy(category_taxonomy) if category_taxonomy else {}
    ids = {path: key for key, path in taxonomy.items()}
    given = _challenger_share(share, shadow=shadow, challenger=challenger)
    for folder in filter(None, (bundle, challenger)):
        load_settings(folder)  # say at once if it is no bundle
    if challenger is not None and log.log_verdicts is None:
        typer.echo(
            "Warning: nothing is kept to compare the challenger by. Pass --log-verdicts DIR.",
            err=True,
        )
    verdict_log = log.opened()
    options = encoders.run_options(photos, progress=bundle is None, cache=ServingCache)

    def open_pipeline(folder: Path | None = bundle) -> "ListingPipeline":
        if folder is None:
            from ..pipeline.starter import starter_pipeline

            pipeline = starter_pipeline(options)
        else:
            from ..pipeline.pipeline import ListingPipeline

            pipeline = ListingPipeline.load(folder, options)
        # finding the fastest runtime takes seconds, and meanwhile PyTorch answers the same
        trial = threading.Thread(
            target=pipeline.embedder.select_runtime, name="select-runtime", daemon=True
        )
        trial.start()
        return replace(pipeline, category_ids=ids)

    def on_trial() -> "Challenger | None":
        from ..serving.challenger import Challenger

        if challenger is None:
            return None
        bundles = (str(bundle or ""), str(challenger))
        return Challenger(lambda: open_pipeline(challenger), given, bundles)

    run(
        open_pipeline,
        bundle=bundle,
        host=host,
        port=port,
        api_key=api_key,
        public_hosts=allow_host or (),
        demo=not no_ui,
        reviews=reviews,
        limits=Limits(
            max_body_bytes=max_mb * MEGABYTE,
            max_held_bytes=8 * max_mb * MEGABYTE,
            max_items=max_items,
        ),
        max_queue=max_queue,
        on_shift=on_shift,
        audit=share_of(audit, "--audit") if audit else None,
        verdict_log=verdict_log,
        webhook=poster,
        shopify_secret=shopify_secret or None,
        challenger=on_trial(),
    )
    if any(one.name in ("select-runtime", "shelfsure-job") for one in threading.enumerate()):
        # everything is answered; a runtime's own threads abort a Python that ends under them
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)


def _webhook(url: str | None, key: str | None, *, every: bool) -> "VerdictWebhook | None":
    from ..core.errors import ConfigError
    from ..core.webhooks import check_address
    from ..serving.verdict_webhook import VerdictWebhook

    if url is None:
        if every:
            raise ConfigError("--webhook-all is about --webhook: say where to post, too.")
        return None
    key = check_address(url, key, "--webhook", "SHELFSURE_WEBHOOK_KEY")
    return VerdictWebhook(url, key, every=every)


def _challenger_share(share: str, *, shadow: bool, challenger: Path | None) -> float:
    """Read which share the challenger answers; 0 without one.

    Raises
    ------
    ConfigError
        If it is no share, or one is given where none can be.
    """
    from ..core.errors import ConfigError

    nothing = re.fullmatch(r"0+(\.0*)? *%?", share.strip()) is not None
    given = 0.0 if nothing else share_of(share, "--share")
    if challenger is None and (given or shadow):
        raise ConfigError("--share and --shadow are about a challenger: pass --challenger BUNDLE.")
    if shadow and given:
        raise ConfigError(f"--shadow answers nothing, but --share is {share}. Pass one of them.")
    return given
