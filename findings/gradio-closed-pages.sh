#!/usr/bin/env bash
# Guessed: once a page is closed, Gradio lets go of what it kept for it, within its hour at most.
#
# gradio 6.31.0 keeps for every page that was opened a copy of the whole configuration, also where no
# gr.State is used. Closing the page marks the session as closed; what goes after an hour is the
# state of gr.State alone, and the rest stays until 10,000 other pages have been opened
# (state_session_capacity, a parameter of launch and an attribute of Blocks). Of 100 fields that is
# some 0.2 MB a page view, so a demo that many people look at grows by a gigabyte and more.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install --quiet gradio==6.31.0
cat >"$place/views.py" <<'PY'
import tracemalloc

import gradio as gr
import httpx

N = 60
with gr.Blocks(analytics_enabled=False) as page:
    fields = [gr.Textbox(label=f"Field {n}") for n in range(100)]
    fields[0].change(lambda text: text, fields[0], fields[1])
page.launch(prevent_thread_lock=True, quiet=True)
sessions = page.app.state_holder


def view(session: str) -> None:
    with httpx.stream("GET", f"{page.local_url}gradio_api/heartbeat/{session}") as beat:
        next(beat.iter_text())
        asked = {"data": ["a"], "fn_index": 0, "session_hash": session}
        httpx.post(f"{page.local_url}gradio_api/queue/join", json=asked).raise_for_status()
        url = f"{page.local_url}gradio_api/queue/data"
        with httpx.stream("GET", url, params={"session_hash": session}) as answers:
            next(line for line in answers.iter_lines() if "process_completed" in line)


for n in range(20):
    view(f"first{n}")
tracemalloc.start()
for n in range(N):
    view(f"visitor{n}")
sessions.delete_all_expired_state()
kept = tracemalloc.get_traced_memory()[0] / N / 1e6
print(f"capacity {sessions.capacity}, kept {len(sessions.session_data)}, {kept:.2f} MB a view")
assert sessions.capacity == 10_000
assert len(sessions.session_data) == 20 + N
assert kept > 0.05
page.close()
PY
cd "$place"
GRADIO_ANALYTICS_ENABLED=False "$place/env/bin/python" views.py
