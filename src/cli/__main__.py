"""`python -m shelfsure.cli`, and what `torchrun -m shelfsure.cli` starts."""

from .main import main

if __name__ == "__main__":
    main()
