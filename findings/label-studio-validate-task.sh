#!/usr/bin/env bash
# Guessed: LabelInterface.validate_task says whether a task with predictions or annotations is valid.
#
# label-studio-sdk 2.1.2 calls its own validate_prediction and validate_annotation there without the
# thing to validate, so every task that has such a key, an empty list included, ends in a TypeError;
# only tasks of bare data are judged. validate_prediction itself works when called for each one.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet label-studio-sdk==2.1.2
cat >"$place/validate.py" <<'PY'
from importlib.metadata import version

from label_studio_sdk.label_interface import LabelInterface

config = """<View>
  <Image name="photo" value="$photo"/>
  <Choices name="category" toName="photo"><Choice value="Lamps"/><Choice value="Rugs"/></Choices>
</View>"""
choice = {"from_name": "category", "to_name": "photo", "type": "choices"}
prediction = {"result": [choice | {"value": {"choices": ["Lamps"]}}], "score": 0.9}
task = {"data": {"photo": "lamp.jpg"}}
interface = LabelInterface(config)
assert interface.validate_task(task) is True
assert interface.validate_prediction(prediction) is True
seen = []
for more in ({"predictions": [prediction]}, {"annotations": [prediction]}, {"predictions": []}):
    try:
        seen.append(interface.validate_task(task | more))
    except TypeError as error:
        seen.append(str(error))
print(version("label-studio-sdk"), *seen, sep="\n")
assert len(seen) == 3
assert all("missing 1 required positional argument" in str(each) for each in seen)
PY
"$place/env/bin/python" "$place/validate.py"
