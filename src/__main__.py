"""`python -m shelfsure`, and what `torchrun -m shelfsure` starts."""

from .cli import main

if __name__ == "__main__":
    main()
