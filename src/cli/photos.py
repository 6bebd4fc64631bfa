"""`shelfsure photos fetch`: bring the photos that a catalogue names by web address."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .messages import say
from .options import CatalogueFile

if TYPE_CHECKING:
    from ..catalog.photo_fetch import PhotoFetcher
    from ..catalog.raw_rows import TableSource

photos_app = typer.Typer(no_args_is_help=True, help="Photos that a catalogue names by address.")
CATALOGUE, FAILED = "catalogue.csv", "failed.csv"
LISTED = ("address", "reason")


@photos_app.command("fetch")
def photos_fetch(
    file: CatalogueFile,
    folder: Annotated[Path, typer.Argument(help="Where the photos go; go on with what is there.")],
    image_column: Annotated[str | None, typer.Option(help="Column that holds the photos.")] = None,
    more_images_column: Annotated[
        list[str] | None,
        typer.Option(help="Columns that hold further photos; repeat it for each."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Of a text file.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask the hosts without asking you.")] = False,
    max_mb: Annotated[int, typer.Option(help="Of one photo.", min=1)] = 20,
    max_photos: Annotated[int, typer.Option(help="Bring no more than that.", min=1)] = 100_000,
    at_once: Annotated[int, typer.Option(help="Photos under way.", min=1, max=32)] = 4,
    allow_private: Annotated[
        bool,
        typer.Option("--allow-private", help="Ask addresses that aren't public, too."),
    ] = False,
) -> None:
    """Bring a catalogue's photos, and write it anew beside them, naming files.

    The hosts are shown and have to be agreed to; redirects lead to no others. What fails is in
    failed.csv; its listing keeps the address. Run it again to try the rest. Exit 1: all failed.
    """
    from ..catalog.columns import match_columns, named_columns
    from ..catalog.delimited import write_csv
    from ..catalog.listing import MORE_IMAGES
    from ..catalog.photo_fetch import PhotoFetcher, hosts_of, web_addresses
    from ..catalog.tables import open_table
    from ..core.errors import CatalogError, ConfigError
    from ..core.files import require_free_file
    from ..core.kinds import FileKind, table_with

    given = {"image": image_column, MORE_IMAGES: more_images_column}
    named = {field: names for field, names in given.items() if names}
    table = open_table(file, named=named_columns(named), encoding=encoding)
    match = match_columns(table.columns, named, need_category=False)
    columns = [*match.columns.get("image", ()), *match.columns.get(MORE_IMAGES, ())]
    if match.problems and named:
        problems = [problem for problem in match.problems if "named by" in problem]
        if problems:
            raise CatalogError("\n".join(f"{file}: {problem}" for problem in problems))
    if not columns:
        raise CatalogError(f"{file} must have a column of photos. Pass --image-column.")
    if file.resolve() == (folder / CATALOGUE).resolve():
        raise ConfigError(f"{file} would be replaced. Name another folder.")
    require_free_file(folder / FAILED, FileKind("a list of photos that failed", table_with(LISTED)))
    if (folder / CATALOGUE).exists() and not (folder / FAILED).exists():
        raise ConfigError(
            f"{folder / CATALOGUE} is there, and no earlier `photos fetch` wrote it. Name another "
            "folder, or move it away."
        )
    rows = table.rows({*columns})
    cells = (row.fields.get(column) for row in rows for column in columns)
    urls = list(dict.fromkeys(url for cell in cells for url in web_addresses(cell)))[:max_photos]
    hosts = hosts_of(urls)
    if not hosts:
        raise CatalogError(
            f"{file}: column `{columns[0]}` must name photos by web address, http:// or https://, "
            "but no row does. There is nothing to bring; or pass --image-column."
        )
    for host, n in hosts.most_common():
        say(f"  {n:>9,} of {host}")
    asked = f"Ask {len(hosts):,} hosts for up to {hosts.total():,} photos?"
    if not (yes or typer.confirm(asked, err=True)):
        raise typer.Exit(1)
    fetcher = PhotoFetcher(folder, {*hosts}, max_mb * 1_000_000, allow_private)
    failed = dict(_fetched(fetcher, urls, at_once))
    header, named_rows = _named_by_file(table, columns, fetcher)
    write_csv(folder / FAILED, LISTED, failed.items())  # first: it says whose the catalogue is
    write_csv(folder / CATALOGUE, header, named_rows)
    defects = [row.defect for row in table.rows(set()) if row.defect]
    if defects:
        say(
            f"Note: {len(defects):,} rows can't be read and are left out of {CATALOGUE}, the first "
            f"for this: {defects[0]}."
        )
    say(
        f"{len(urls) - len(failed):,} of {len(urls):,} photos are in {folder}"
        f"{f'; {len(failed):,} failed, see {FAILED}' if failed else ''}. "
        f"The catalogue with them is {folder / CATALOGUE}."
    )
    if len(failed) == len(urls):
        raise typer.Exit(1)


def _fetched(
    fetcher: "PhotoFetcher", urls: Sequence[str], at_once: int
) -> Iterator[tuple[str, str]]:
    """Bring photos, some at a time; those that fail come with the reason."""
    from tqdm import tqdm

    from ..catalog.photo_fetch import FetchError

    def fetch(url: str) -> str | None:
        try:
            fetcher.fetch(url)
        except FetchError as error:
            return str(error)
        return None

    with ThreadPoolExecutor(at_once) as pool:
        try:
            outcomes = pool.map(fetch, urls)
            told = tqdm(outcomes, "Bringing photos", len(urls), disable=None)
            yield from ((url, why) for url, why in zip(urls, told, strict=True) if why)
        except BaseException:
            fetcher.stopped.set()
            pool.shutdown(cancel_futures=True)
            with suppress(OSError):  # where nothing is in it
                fetcher.folder.rmdir()
            raise


def _named_by_file(
    table: "TableSource", columns: Sequence[str], fetcher: "PhotoFetcher"
) -> tuple[list[str], Iterator[list[Any]]]:
    """Give the table's header and its rows, photos by their files' names where they are there."""
    from ..catalog.photo_fetch import web_addresses

    header = list(dict.fromkeys(table.columns))

    def named(cell: Any) -> Any:
        found = [path.name for url in web_addresses(cell) if (path := fetcher.there(url))]
        return "|".join(found) or cell

    def rows() -> Iterator[list[Any]]:
        for row in table.rows(set(header)):
            if not row.defect and not row.is_blank:
                own = row.fields | {name: named(row.fields.get(name)) for name in columns}
                yield [own.get(name) for name in header]

    return header, rows()
