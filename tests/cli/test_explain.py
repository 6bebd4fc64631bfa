"""`shelfsure explain` on the tiny bundle, with fake encoders."""


def test_explain_prints_what_adds_up_and_writes_a_page(run, bundle, tiny_folder, tmp_path):
    photo = tiny_folder / "photos/0.png"
    arguments = ("--photo", photo, "--title", "red lamp", "--out", "why.html")
    for _ in range(2):  # an earlier page is replaced
        done = run("explain", bundle, *arguments)
        assert done.code == 0, done.error
    rows = [line.replace("┃", "│").split("│")[1:-1] for line in done.out.splitlines()]
    cells = [tuple(cell.strip() for cell in row) for row in rows if len(row) == 3]
    nats = {row[:2]: float(row[2].replace("−", "-")) for row in cells if row[2] not in {"", "nats"}}
    parts = nats["nothing yet", ""] + nats["photo", ""] + nats["title", ""]
    assert abs(parts - nats["all together", ""]) < 0.03
    assert abs(nats["title", "red"] + nats["title", "lamp"] - nats["title", ""]) < 0.03
    assert ("photo", "row 4, column 4") in nats
    assert "Home &gt; Lamps" in (tmp_path / "why.html").read_text(encoding="utf-8")


def test_explain_of_parts_only_asks_for_no_word(run, bundle):
    done = run(
        "explain", bundle, "--title", "red lamp", "--category", "Toys > Kites", "--parts-only"
    )
    assert done.code == 0, done.error
    assert done.out.startswith("Toys > Kites: log-odds −")
    assert "red" not in done.out


def test_explain_says_what_it_cant_explain(run, bundle, tmp_path, tiny_folder):
    broken = tiny_folder / "photos/bad.png"
    for arguments, says in (
        (("--photo", broken), "a photo must be JPEG"),
        (("--photo", "nowhere.jpg", "--title", "lamp"), "nowhere.jpg"),
        (("--description", "only this"), "neither"),
        (("--title", "a boat", "--category", "Boats"), "'Boats'"),
        (("--title", "a lamp", "--category", "lamp"), "The nearest first: Home > Lamps; "),
        (("--title", "a kite", "--category", "toys > kite"), "The nearest first: Toys > Kites; "),
    ):
        done = run("explain", bundle, *arguments, "--out", "why.html")
        assert done.code == 1
        assert done.error.startswith("Error: ")
        assert says in done.error
        assert not (tmp_path / "why.html").exists()


def test_explain_replaces_no_file_of_another_kind(run, bundle, tmp_path):
    (tmp_path / "page.html").write_text("<html>mine</html>")
    done = run("explain", bundle, "--title", "lamp", "--out", "page.html")
    assert done.code == 1
    assert "an explanation" in done.error
    assert (tmp_path / "page.html").read_text() == "<html>mine</html>"
