"""What the tabs for long work have in common: a job is begun, followed, opened again, cancelled."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, ClassVar, TypeAlias

import gradio as gr
from gradio.context import Context

from ....core.errors import ShelfsureError
from .. import inputs
from ..html import notice, render, script
from ..jobs.folder import JobFolder
from ..jobs.running import Jobs, RunningJob
from ..uploads.uploads import Upload, read_upload

Updates: TypeAlias = dict[Any, Any]
Query: TypeAlias = Mapping[str, str]
"""What the page's address asks for."""
ADDRESS = script("address")
GONE = notice(
    "There is no such job here, or none any more: they are kept for a week, and the oldest go "
    "first where there is no room.",
    heading="Nothing to show",
)
BEGUN = notice("Begun; others may be first …")
RESUMED = "An end of the server interrupted this job. As its page was opened, it went on."


@dataclass
class Given:
    """What a new job is given: choices, and uploaded files, by their names."""

    asked: dict[str, Any] = field(default_factory=dict)
    files: dict[str, Path | None] = field(default_factory=dict)

    def add_photos(self, name: str, archive: str | None, folder: str, *, local: bool) -> None:
        """Add a zip of photos, or the name of their folder; a CatalogError, if both are given."""
        source = inputs.photo_source(archive, folder, local=local)
        if archive is None and source is not None:
            self.asked[name] = str(source)
        else:
            self.files[name] = source


def photos_given(job: JobFolder, name: str) -> Path | None:
    """Find the zip of photos again, or their folder."""
    typed = job.asked.get(name)
    return Path(typed) if typed else job.given(name)


def read_given(job: JobFolder, *, need_category: bool = False) -> Upload:
    """Read a job's table and photos, as `read_upload` does."""
    table = inputs.required_table(job.given("table"))
    photos = photos_given(job, "photos")
    return read_upload(table, photos, job.fresh("photos"), need_category=need_category)


@dataclass
class JobSession:
    """What one page shows of a job; `running` while it is under way."""

    job: JobFolder
    running: RunningJob | None = None


class JobTab(ABC):
    """A tab whose jobs are known by their ids: the address has them, as ``?tab=batch&batch=ID``.

    A subclass builds its fields, `state`, `status` and `stop` among them, then calls `connect`.
    """

    kind: ClassVar[str]
    """Of its jobs; also the tab's name in an address."""
    views: ClassVar[tuple[str, ...]] = ()
    """What else an address may ask for of a job; a new one begins without."""
    n_at_once: ClassVar[int] = 1
    start: Any
    stop: Any
    state: Any
    status: Any

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        jobs.register(self.kind, self.work, self.n_at_once)

    @abstractmethod
    def work(self, job: JobFolder, cancelled: Event) -> Iterator[Any]:
        """Do a job; see `jobs.running.Work`."""

    def session(self, job: JobFolder, wanted: Query) -> Any:  # noqa: ARG002 (others want something)
        """Make what a page holds of a job."""
        return JobSession(job)

    @abstractmethod
    def cleared(self) -> Updates:
        """Show nothing of an earlier job."""

    def meanwhile(self, session: Any, said: Any) -> Updates:  # noqa: ARG002 (as above)
        """Show what the work has said."""
        return {self.status: said}

    @abstractmethod
    def finished(self, session: Any, shown: Mapping[str, Any], result: Path) -> Updates:
        """Show a result: what `JobFolder.finishing` was given, and its folder."""

    def connect(self, asked: list[Any], outputs: list[Any]) -> None:
        """Let the buttons and the page's address do what they say."""
        shown = [self.state, self.status, self.stop, *outputs]
        # nobody's page waits for others' jobs; to follow one holds no thread
        following = {"concurrency_limit": None, "show_progress_on": self.status, **inputs.PRIVATE}
        running = self.start.click(self.started, asked, shown, **following)
        running.then(inputs.disabled, None, self.stop, **inputs.QUIET)  # also after an error
        Context.root_block.load(self.opened, None, shown, **inputs.QUIET, concurrency_limit=None)
        self.stop.click(self.cancel, self.state, self.stop, **inputs.QUIET)

    @abstractmethod
    def begin(self, *given: Any, **named: Any) -> RunningJob:
        """Begin the job that the fields ask for; a ShelfsureError says what is wrong with them."""

    async def started(self, *given: Any) -> AsyncIterator[Updates]:
        """Begin a job, and follow it."""
        try:
            running = await asyncio.to_thread(self.begin, *given)
        except (ShelfsureError, OSError) as error:
            refused = notice(self.refused(error), kind="error")
            yield self.cleared() | {self.state: None, self.status: refused}
            return
        async for updates in self.followed(running, {}, fresh=True):
            yield updates

    async def opened(self, request: gr.Request) -> AsyncIterator[Updates]:
        """Show the job that the page's address asks for, if any."""
        wanted = dict(request.query_params)
        if job_id := wanted.get(self.kind):
            found = await asyncio.to_thread(self.jobs.find, self.kind, job_id)
            if found is None:
                yield {self.status: GONE}
                return
            async for updates in self.followed(found, wanted):
                yield updates
        else:
            yield {self.status: gr.skip()}

    async def followed(
        self, found: RunningJob | JobFolder, wanted: Query, *, fresh: bool = False
    ) -> AsyncIterator[Updates]:
        """Show a job, to its end."""
        running = found if isinstance(found, RunningJob) else None
        job = found.job if isinstance(found, RunningJob) else found
        session = self.session(job, wanted)
        session.running = running
        below = job_link(self.kind, job, self.views if fresh else ())
        if running:
            if running.resumed:
                below = render("note.html.j2", text=RESUMED) + below
            begun = {self.state: session, self.stop: gr.Button(interactive=True)}
            yield self.cleared() | begun | {self.status: BEGUN + below}
            async for said in running.follow():
                if said is not None:
                    updates = await asyncio.to_thread(self.meanwhile, session, said)
                    updates[self.status] += below
                    yield updates
            session.running = None
        ended: Updates = {self.state: session, self.stop: inputs.disabled()}
        if running and running.failure:
            ended[self.status] = running.failure
        else:
            ended |= await asyncio.to_thread(self._result, session)
        ended[self.status] += below
        yield ended

    def _result(self, session: Any) -> Updates:
        try:
            shown, result = session.job.shown(), session.job.result
            more = {} if shown.keys() == {"status"} else self.finished(session, shown, result)
            return more | {self.status: shown["status"]}
        except (OSError, ValueError, KeyError, TypeError):  # removed, or of another version
            return {self.status: GONE}

    def cancel(self, session: JobSession | None) -> Any:
        if session is not None and session.running is not None:
            session.running.cancel()
        return inputs.disabled()

    def refused(self, error: Exception) -> str:
        """Say what is wrong with a job before it begins."""
        return inputs.explained(error)


def job_link(kind: str, job: JobFolder, without: tuple[str, ...] = ()) -> str:
    """Show the address of a job, and until when it is kept; the page's own address follows it."""
    until = f"{datetime.fromtimestamp(job.until, UTC):%d %B %Y}"
    here = "".join(f"&{name}=" for name in without)
    return render("job_link.html.j2", kind=kind, job_id=job.job_id, until=until, without=here)
