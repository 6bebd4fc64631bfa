#!/usr/bin/env bash
# Guessed: a SQLite store of MLflow's whose making was killed is made to its end when it is next opened.
#
# mlflow 3.17.2 (alembic 1.20.1, sqlalchemy 2.1.9) makes a new store by a row of migrations, which
# SQLite commits statement by statement, and notes the version only after each. Killed at the 12th of
# its tables, the store can never be opened again: the migration that was under way begins anew, and
# ends at `table registered_models already exists`. Killed at the third table, before the first
# migration, it opens. So make a new store elsewhere, and move it into its place once it is whole.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet mlflow==3.17.2 sqlalchemy==2.1.9 alembic==1.20.1
cat >"$place/make.py" <<'PY'
import os
import signal
import sys

from mlflow import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

n_tables = 0


@event.listens_for(Engine, "after_cursor_execute")
def stop_at_a_table(connection, cursor, statement, *rest):
    global n_tables
    n_tables += statement.lstrip().startswith("CREATE TABLE")
    if n_tables == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)


MlflowClient(tracking_uri=sys.argv[1]).search_experiments()
PY
cat >"$place/open.py" <<'PY'
import sys
from importlib.metadata import version

from mlflow import MlflowClient

try:
    found = [one.name for one in MlflowClient(tracking_uri=sys.argv[1]).search_experiments()]
except Exception as error:
    found = str(error).splitlines()[0]
print(version("mlflow"), found)
PY
cd "$place"
for n in 3 12; do
    env/bin/python make.py "sqlite:///killed-at-$n.db" "$n" 2>/dev/null && exit 1
    for _ in 1 2; do
        env/bin/python open.py "sqlite:///killed-at-$n.db" 2>/dev/null | tail -n 1 | tee -a said
    done
done
test "$(sort -u said)" = "3.17.2 (sqlite3.OperationalError) table registered_models already exists
3.17.2 ['Default']"
