"""`python -m shelfsure`, and what `torchrun -m shelfsure` starts."""

from .cli.main import main

if __name__ == "__main__":
    main()
