"""Make the zip of the sample catalogue, which the package ships, in about a minute.

python -m tools.sample_catalogue --out src/catalog/sample.zip

It holds `catalogue.csv`, `uploads.csv`, `truth.csv`, `README.md`, `photos/` and `outside/`.
Shelfsure draws and words all of it itself: no photo, brand or seller is real. The same arguments
give the same bytes under the same versions of Pillow and NumPy.
"""

import argparse
from pathlib import Path

from . import write_sample_zip


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.sample_catalogue", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--out", type=Path, required=True, help="the zip; one there is replaced")
    parser.add_argument("--seed", type=int, default=7, help="another one gives other products")
    parser.add_argument("--per-category", type=int, default=40, help="listings in the catalogue")
    given = parser.parse_args()
    try:
        n = write_sample_zip(
            given.out, seed=given.seed, n_per_category=given.per_category, progress=True
        )
    except ValueError as error:
        parser.error(str(error))
    print(f"{given.out}: {n} files, {given.out.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
