#!/usr/bin/env bash
# Guessed: what `import pyspark.sql.connect.session` does in a script, it does in `python -c`, too.
#
# pyspark-client 4.2.0 (Spark Connect's client, without Spark) imports in a script, and in a module
# run by -m. In a program whose __main__ has neither a file nor a spec (python -c, a script on
# standard input, a worker of pytest-xdist) the same line ends the process, exit code 255: it takes
# itself to be in its own doctests, looks for Spark's folder, and that helper calls sys.exit. It is
# SystemExit, so `except Exception` around the import doesn't see it. Who asks MLflow for a run where
# this client is installed comes by here as well. A prompt in sys.ps1 tells it apart.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet pyspark-client==4.2.0 pandas==2.3.3 pyarrow==22.0.0 \
    grpcio==1.76.0 grpcio-status==1.76.0 googleapis-common-protos==1.72.0 zstandard==0.25.0
python="$place/env/bin/python"
unset SPARK_HOME
line='import pyspark.sql.connect.session; print("imported")'

echo "$line" >"$place/script.py"
[ "$("$python" "$place/script.py")" = imported ]
echo "in a script: imported"

code=0
said=$("$python" -c "$line" 2>&1) || code=$?
[ "$code" = 255 ]
grep -q "Could not find valid SPARK_HOME" <<<"$said"
echo "python -c: exit code $code, $(grep -o "Could not find valid SPARK_HOME" <<<"$said")"

[ "$("$python" -c "import sys; sys.ps1 = '>>> '; $line")" = imported ]
echo "python -c with a prompt: imported"
