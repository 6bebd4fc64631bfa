#!/usr/bin/env bash
# Guessed: records that Argilla exports say which responses were submitted, drafted or discarded.
#
# argilla 2.8.0 leaves the status of responses out of Record.to_dict, and so out of records.to_json,
# Dataset.to_disk and to_list: a draft or a discarded response can't be told from a submitted one. The
# record's own status is there, but says `completed` as soon as enough others have submitted.
# (It imports requests, which it doesn't ask for.)
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet argilla==2.8.0 requests==2.34.2
cat >"$place/drafts.py" <<'PY'
import json
from importlib.metadata import version
from uuid import UUID

import argilla as rg
from argilla.records._io import JsonIO

statuses = ("submitted", "draft", "discarded")
records = [
    rg.Record(
        id=status,
        fields={"title": "a lamp"},
        responses=[rg.Response("category", "Lamps", user_id=UUID(int=1), status=status)],
    )
    for status in statuses
]
assert [next(iter(record.responses)).status.value for record in records] == list(statuses)
JsonIO.to_json(records, "records.json")
with open("records.json") as file:
    seen = [record["responses"]["category"] for record in json.load(file)]
print(version("argilla"), *seen, sep="\n")
assert seen[0] == seen[1] == seen[2]
assert seen[0] == [{"value": "Lamps", "user_id": str(UUID(int=1))}]
PY
cd "$place"
"$place/env/bin/python" drafts.py
