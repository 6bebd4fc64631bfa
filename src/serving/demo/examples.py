"""Listings to try with one click, from the sample catalogue and so nobody's property."""

from dataclasses import dataclass
from pathlib import Path

from ...catalog.sample import read_sample

_EXAMPLES = (
    ("A mug", "Ceramic coffee mug with a printed design, 330 ml", "photos/u0059.jpg"),
    ("A vase", "Handmade ceramic flower vase, showpiece", "photos/u0018.jpg"),
    # an edited copy of a vase in the starter's catalogue
    ("Listed already", "bud holdr red (Halden) 22 cm", "photos/u0040.jpg"),
    ("Mismatched", "Round analog wall clock for the living room", "photos/u0068.jpg"),
    ("Not sold here", "Family car, five doors, diesel", "outside/car_21.jpg"),
    ("A title alone", "Analog wrist watch for men, leather strap", None),
)
"""What a button says, a title, and a photo of the sample; one for each thing a verdict may say."""


@dataclass(frozen=True)
class Example:
    """A listing to try.

    Parameters
    ----------
    name
        What its button says.
    photo
        A JPEG file; None for a listing without a photo.
    """

    name: str
    title: str
    photo: Path | None


def unpack_examples(folder: Path) -> tuple[Example, ...]:
    """Give one listing for each thing that a verdict may say; photos go into `folder`."""
    return tuple(
        Example(name, title, _unpacked(photo, folder) if photo else None)
        for name, title, photo in _EXAMPLES
    )


def _unpacked(name: str, folder: Path) -> Path:
    path = folder / Path(name).name
    path.write_bytes(read_sample(name))
    return path
