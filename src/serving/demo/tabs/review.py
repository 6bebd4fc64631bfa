"""The tab "Review queue": one listing at a time, an answer by one click or one key."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, get_args

import gradio as gr
from gradio.context import Context

from ....core.errors import ShelfsureError
from ....vision.thumbnails import thumbnail_uri
from ...review.records import Kind, ReviewItem
from ..html import DECISIONS, render, verdict_card
from ..uploads.workspace import Workspace

if TYPE_CHECKING:
    from ...review.store import ReviewStore
    from ...service import Service

N_LISTED = 25
LARGE_PX = 900
OTHER_ANSWERS: Mapping[Kind, tuple[str, str]] = {
    "not_sold": ("Not for this catalogue", "n"),
    "cant_tell": ("Can't tell", "c"),
    "skip": ("Skip", "s"),
}
"""Kind -> what its button says, and its key."""
# A double click is one answer; the next listing's may follow as fast as somebody can.
_CLICKS = """
let last = '';
element.addEventListener('click', event => {
  const button = event.target.closest('button[data-item]');
  const asked = button && JSON.stringify({...button.dataset});
  if (!button || asked === last) return;
  last = asked;
  setTimeout(() => { last = ''; }, 400);
  trigger('click', {...button.dataset});
});
"""
_KEYS = (
    _CLICKS
    + """
document.addEventListener('keydown', event => {
  const fields = 'input, textarea, select, [contenteditable], [role=dialog]';
  const typing = event.target.closest?.(fields);
  const hidden = element.offsetParent === null;
  if (typing || hidden || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
  const key = event.key.toLowerCase();
  if (!/^[1-9a-z]$/.test(key)) return;
  const button = element.querySelector(`button[data-key="${key}"]`);
  if (button) { event.preventDefault(); button.click(); }
});
"""
)


def review_tab(service: "Service", reviews: "ReviewStore") -> None:
    """Build the tab inside the open `gr.Tab`."""
    tab, root = Context.block, Context.root_block
    remembered = gr.BrowserState("", storage_key="shelfsure-reviewer", secret="no secret")  # noqa: S106
    current = gr.State(0)
    exported = gr.State(None, delete_callback=lambda place: place and place.close())
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=300):
            status = gr.HTML("", elem_id="review-status", apply_default_css=False)
        with gr.Column(scale=6, min_width=300):
            who = gr.Textbox(
                label="Your name (kept with each answer)", max_length=100, elem_id="review-who"
            )
    with gr.Row(equal_height=False):
        with gr.Column(scale=6, min_width=300):
            listing = gr.HTML("", elem_id="review-item", apply_default_css=False)
        with gr.Column(scale=6, min_width=300):
            answers = gr.HTML(
                "", js_on_load=_KEYS, elem_id="review-answers", apply_default_css=False
            )
            with gr.Column(visible=False) as other:
                category = gr.Dropdown(
                    [],
                    value=None,
                    allow_custom_value=True,
                    label="Another category",
                    elem_id="review-category",
                )
                save = gr.Button("Save this category", size="md", elem_id="review-save")
    card = gr.HTML("", elem_id="review-verdict", apply_default_css=False)
    with gr.Accordion("What waits, the most useful first", open=False, elem_id="review-list"):
        queue = gr.HTML("", js_on_load=_CLICKS, elem_id="review-queue", apply_default_css=False)
    with gr.Row():
        export = gr.Button("Export the answers", size="sm", elem_id="review-export")
        archive = gr.File(
            label="A catalogue for the next training",
            interactive=False,
            visible=False,
            elem_id="review-archive",
        )
    parts = [current, status, listing, answers, card, queue, category, other]

    def shown(said: Said, item_id: int = 0) -> tuple[Any, ...]:
        waiting = reviews.pending(N_LISTED)
        counts = reviews.counts()
        item = reviews.item(item_id) if item_id else next(iter(waiting), None)
        own = item.item_id if item else 0
        left = render(
            "review_queue.html.j2",
            items=waiting,
            current=own,
            decisions=DECISIONS,
            n_more=counts.n_pending - len(waiting),
        )
        line = render("review_status.html.j2", counts=counts, said=said.done, trouble=said.trouble)
        shows = item_html(item, undoable=counts.n_answered > 0)
        return own, line, *shows, left, None, gr.Column(visible=item is not None)

    def show() -> tuple[Any, ...]:
        return shown(Said())

    def act(event: gr.EventData, name: str, item_id: int) -> tuple[Any, ...]:
        return shown(*answer(reviews, event._data or {}, name, item_id))

    def name_it(category: str | None, name: str, item_id: int) -> tuple[Any, ...]:
        asked = {"kind": "category", "category": category or "", "item": item_id}
        return shown(*answer(reviews, asked, name, item_id))

    def choices() -> Any:
        return gr.Dropdown(choices=sorted(service.pipeline.class_names))

    def take_out(old: Workspace | None) -> tuple[Any, ...]:
        if old is not None:
            old.close()
        place = Workspace()
        try:
            reviews.export(place.path / "reviewed")
        except ShelfsureError as error:
            place.close()
            gr.Warning(_said(error, reviews))
            return None, gr.File(visible=False)
        made = shutil.make_archive(str(place.path / "reviewed"), "zip", place.path, "reviewed")
        return place, gr.File(made, visible=True)

    quiet = {"api_visibility": "private", "show_progress": "hidden"}
    # the name comes from the browser when this tab is first shown, and then the state changes
    remembered.change(lambda kept: kept, remembered, who, **quiet)
    root.load(choices, None, category, **quiet)
    gr.on([root.load, tab.select], show, None, parts, **quiet)
    gr.on([who.blur, who.submit], lambda name: name, who, remembered, **quiet)
    clicks = [answers.click, queue.click]
    gr.on(clicks, act, [who, current], parts, trigger_mode="multiple", **quiet)
    save.click(name_it, [category, who, current], parts, **quiet)
    export.click(take_out, exported, [exported, archive], api_visibility="private")


@dataclass(frozen=True)
class Said:
    """What the page says of the last action."""

    done: str = ""
    trouble: str = ""


def answer(
    reviews: "ReviewStore", asked: Mapping[str, Any], who: str, current: int
) -> tuple[Said, int]:
    """Carry out what a button asks for.

    Parameters
    ----------
    asked
        ``kind`` (an answer's, ``open`` or ``undo``), ``item``, and ``category`` where one is named.
        It comes from a browser, so anything may be in it.
    current
        The item on the page.

    Returns
    -------
    tuple
        What to say, and the item to show next; 0 for the most useful one.
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
            return Said(f"Saved: {given.category}."), 0
        if kind in get_args(Kind):
            reviews.answer(item_id, cast(Kind, kind), who)
            return Said("Skipped." if kind == "skip" else "Saved."), 0
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
    answers = render("review_answers.html.j2", item=item, others=others)
    return listing, answers, verdict_card(item.verdict)


def _said(error: Exception, reviews: "ReviewStore") -> str:
    """Leave out where the store lies: whoever looks at the page may be anywhere."""
    return str(error).replace(str(reviews.path), reviews.path.name)
