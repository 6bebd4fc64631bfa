#!/usr/bin/env bash
# Guessed: gc.freeze() at the end of a program only saves the interpreter's last look through objects.
#
# triton 3.9.0 is bound by nanobind, which looks for what is still alive when Python ends. Its own
# objects lie in cycles, so after gc.freeze() the interpreter's last collection leaves them, and some
# 30 lines of "leaked instance" and "leaked type" are printed. PyTorch 2.15 for Linux imports triton
# once it is used, so a server that freezes to end sooner ends with these lines, though nothing is wrong.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet triton==3.9.0
plain=$("$place/env/bin/python" -c "import triton" 2>&1)
frozen=$("$place/env/bin/python" -c "import gc, triton; gc.freeze()" 2>&1)
echo "triton 3.9.0: ${#plain} characters at a plain end; after gc.freeze():"
head -3 <<<"$frozen"
[ -z "$plain" ]
grep -q "nanobind: leaked 4 instances" <<<"$frozen"
