"""The tab "Review queue": one listing at a time, an answer by one click or one key."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

import gradio as gr
from gradio.context import Context

from ....catalog.listing import Listing
from ....core.errors import ShelfsureError
from ....pipeline.verdict import Guess
from ....vision.thumbnails import thumbnail_uri
from ...review.records import Kind, ReviewItem
from ...review.store import LEASE_S, ReviewStore
from ...service import Service
from ..html import DECISIONS, render, script, verdict_html
from ..inputs import PRIVATE, QUIET, html_field
from ..uploads.uploads import Workspace
from .review_together import TogetherPanel

N_LISTED = 25
LARGE_PX = 900
OTHER_ANSWERS: Mapping[Kind, tuple[str, str]] = {
    "not_sold": ("Not for this catalogue", "n"),
    "cant_tell": ("Can't tell", "c"),
    "skip": ("Skip", "s"),
}
"""Kind -> what its button says, and its key."""


@dataclass(frozen=True)
class Said:
    """What the page says of the last action."""

    done: str = ""
    trouble: str = ""


class ReviewTab:
    """The tab's fields, built inside the open `gr.Tab`, and what they do."""

    def __init__(self, service: Service, reviews: ReviewStore) -> None:
        self.service, self.reviews = service, reviews
        self.remembered = gr.BrowserState("", storage_key="shelfsure-reviewer", secret="no secret")  # noqa: S106
        self.current = gr.State(0)
        self.exported = gr.State(None, delete_callback=lambda place: place and place.close())
        self._build_listing()
        self.verdict = html_field("review-verdict")
        with gr.Accordion("What waits, the most useful first", open=False, elem_id="review-list"):
            self.queue = html_field("review-queue", js_on_load=script("review_clicks"))
        self.together = TogetherPanel(service, reviews, self.who)
        with gr.Row():
            self.export = gr.Button("Export the answers", size="sm", elem_id="review-export")
            self.archive = gr.File(
                label="A catalogue for the next training",
                interactive=False,
                visible=False,
                elem_id="review-archive",
            )
        self._connect()

    def _build_listing(self) -> None:
        with gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=300):
                self.status = html_field("review-status")
            with gr.Column(scale=6, min_width=300):
                self.who = gr.Textbox(
                    label="Your name (kept with each answer)", max_length=100, elem_id="review-who"
                )
        with gr.Row(equal_height=False):
            with gr.Column(scale=6, min_width=300):
                self.listing = html_field("review-item", js_on_load=script("more_like", "address"))
            with gr.Column(scale=6, min_width=300):
                keys = script("review_clicks", "review_keys")
                self.answers = html_field("review-answers", js_on_load=keys)
                with gr.Column(visible=False) as self.other:
                    self.category = gr.Dropdown(
                        [],
                        value=None,
                        allow_custom_value=True,
                        label="Another category",
                        elem_id="review-category",
                    )
                    self.save = gr.Button("Save this category", size="md", elem_id="review-save")

    def _connect(self) -> None:
        tab, root = Context.block, Context.root_block
        parts = [self.current, self.status, self.listing, self.answers, self.verdict, self.queue]
        parts += [self.category, self.other]
        who = [self.who, self.current]
        # the name comes from the browser when this tab is first shown, and then the state changes
        self.remembered.change(lambda kept: kept, self.remembered, self.who, **QUIET)
        root.load(self.choices, None, self.category, **QUIET)
        root.load(self.peek, None, parts, **QUIET)
        tab.select(self.first, None, parts, **QUIET)
        root.unload(self.leave)
        named = [self.who.blur, self.who.submit]
        gr.on(named, lambda name: name, self.who, self.remembered, **QUIET)
        clicks = [self.answers.click, self.queue.click]
        gr.on(clicks, self.act, who, parts, trigger_mode="multiple", **QUIET)
        self.together.answered.then(self.again, self.current, parts, **QUIET)
        self.save.click(self.name_it, [self.category, *who], parts, **QUIET)
        self.export.click(self.take_out, self.exported, [self.exported, self.archive], **PRIVATE)

    def peek(self, request: gr.Request) -> tuple[Any, ...]:
        """Show what would come first, and let others have it: this tab may never be opened."""
        return self.opened(request, lease_s=0.0)

    def first(self, request: gr.Request) -> tuple[Any, ...]:
        return self.opened(request, lease_s=LEASE_S)

    def leave(self, request: gr.Request) -> None:
        self.reviews.release(_holder(request))

    def shown(
        self, holder: str, said: Said | None = None, item_id: int = 0, lease_s: float = LEASE_S
    ) -> tuple[Any, ...]:
        """Show what was said, an item (0: the most useful one), and what else waits."""
        said = said or Said()
        reviews = self.reviews
        item = reviews.open(item_id, holder) if item_id else reviews.take(holder, lease_s)
        waiting, counts = reviews.pending(N_LISTED), reviews.counts()
        own = item.item_id if item else 0
        left = render(
            "review_queue.html.j2",
            items=waiting,
            busy=reviews.held_by_others(holder),
            disputed=reviews.disputed()[:N_LISTED],
            current=own,
            decisions=DECISIONS,
            n_more=counts.n_pending - len(waiting),
        )
        line = render("review_status.html.j2", counts=counts, said=said.done, trouble=said.trouble)
        shows = item_html(item, undoable=counts.n_answered > 0)
        return own, line, *shows, left, None, gr.Column(visible=item is not None)

    def opened(self, request: gr.Request, lease_s: float) -> tuple[Any, ...]:
        """Show the listing that the page's address asks for while it waits; else the best."""
        holder, asked = _holder(request), dict(request.query_params)
        if asked.get("tab") != "review" or "item" not in asked:
            return self.shown(holder, lease_s=lease_s)
        said, item_id = answer(self.reviews, {"kind": "open", "item": asked["item"]}, "", 0)
        if item_id and self.reviews.item(item_id).answer:
            return self.shown(holder, lease_s=lease_s)
        return self.shown(holder, said, item_id, lease_s)

    def act(
        self, event: gr.EventData, name: str, item_id: int, request: gr.Request
    ) -> tuple[Any, ...]:
        done = answer(self.reviews, event._data or {}, name, item_id)
        return self.shown(_holder(request), *done)

    def again(self, item_id: int, request: gr.Request) -> tuple[Any, ...]:
        """Show the listing that is shown once more, if it still waits."""
        waits = item_id and not self.reviews.item(item_id).answer
        return self.shown(_holder(request), item_id=item_id if waits else 0)

    def name_it(
        self, category: str | None, name: str, item_id: int, request: gr.Request
    ) -> tuple[Any, ...]:
        asked = {"kind": "category", "category": category or "", "item": item_id}
        return self.shown(_holder(request), *answer(self.reviews, asked, name, item_id))

    def choices(self) -> Any:
        return gr.Dropdown(choices=sorted(self.service.pipeline.class_names))

    def listing_of(self, item_id: int, _: Mapping[str, Any]) -> Listing | None:
        """Give the listing that is shown; None if there is none."""
        return self.reviews.item(item_id).listing if item_id else None

    def take_out(self, old: Workspace | None) -> tuple[Any, ...]:
        """Give all answers as a zip."""
        if old is not None:
            old.close()
        place = Workspace()
        try:
            self.reviews.export(place.path / "reviewed")
        except ShelfsureError as error:
            place.close()
            gr.Warning(_said(error, self.reviews))
            return None, gr.File(visible=False)
        made = shutil.make_archive(str(place.path / "reviewed"), "zip", place.path, "reviewed")
        return place, gr.File(made, visible=True)


def answer(
    reviews: ReviewStore, asked: Mapping[str, Any], who: str, current: int
) -> tuple[Said, int]:
    """Carry out what a button asks for; say what to say, and the item to show next (0: the best).

    Asked is a ``kind`` (an answer's, ``open`` or ``undo``), an ``item``, and a ``category`` where
    one is named. It comes from a browser, so anything may be in it. `current` is on the page.
    """
    kind = asked.get("kind")
    try:
        item_id = int(asked.get("item") or 0)
        if kind == "open":
            return Said(), reviews.item(item_id).item_id
        if kind == "undo":
            item = reviews.undo(who)
            return (Said("Undone.") if item else Said(trouble="You have nothing to undo.")), (
                item.item_id if item else current
            )
        if kind == "category":
            given = reviews.label(item_id, str(asked.get("category") or ""), who)
            return Said(f"Saved: {given.category}.{_beside(reviews, item_id)}"), 0
        if kind in get_args(Kind):
            reviews.answer(item_id, cast(Kind, kind), who)
            said = "Skipped." if kind == "skip" else f"Saved.{_beside(reviews, item_id)}"
            return Said(said), 0
    except (ShelfsureError, TypeError, ValueError, OverflowError) as error:
        return Said(trouble=_said(error, reviews)), current
    return Said(), current


def item_html(item: ReviewItem | None, *, undoable: bool) -> tuple[str, str, str]:
    """Show an item: the listing, the answers to choose from, the verdict; or that all is done."""
    if item is None:
        return render("review_done.html.j2"), render("review_undo.html.j2") if undoable else "", ""
    words = {kind: name for kind, (name, _) in OTHER_ANSWERS.items()}
    photo = thumbnail_uri(item.listing.image, side_px=LARGE_PX)
    listing = render("review_item.html.j2", item=item, photo=photo, answers=words)
    others = [(kind, name, key) for kind, (name, key) in OTHER_ANSWERS.items()]
    answers = render("review_answers.html.j2", item=item, others=others, by_name=by_name(item))
    return listing, answers, verdict_html(item.verdict)


def by_name(item: ReviewItem) -> Guess | None:
    """Give the category that only its name speaks for, if none of the trained ones is it."""
    said = item.verdict
    if said.route != "zero_shot" or said.category is None or said.probability is None:
        return None
    known = {guess.category for guess in said.top_k}
    guess = Guess(category=said.category, probability=said.probability)
    return None if said.category in known else guess


def _beside(reviews: ReviewStore, item_id: int) -> str:
    """Say it, where reviewers disagree."""
    if not reviews.item(item_id).disputed:
        return ""
    return " Others said otherwise: all answers are kept, and none counts until one gives in."


def _holder(request: gr.Request) -> str:
    """Name one open page."""
    return request.session_hash or "a page"


def _said(error: Exception, reviews: ReviewStore) -> str:
    """Leave out where the store lies: whoever looks at the page may be anywhere."""
    return str(error).replace(str(reviews.path), reviews.path.name)
