import csv
import json
import os
import random
import re
import shlex
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from html.parser import HTMLParser
from pathlib import Path

import pytest

SCRIPT = "<script>alert(1)</script>"
CLASSES = ("<img src=x onerror=alert(1)>", "R&D \"said\" 'so'")
TARGET = "kind <b>&</b>"
WORDS = (
    *("data=csv", f'data.target="{TARGET}"', "model=linear", "trainer=cpu", "trainer.max_epochs=2"),
    *("trainer.precision=32-true", "data.batch_size=8", "optimizer.lr=0.01,0.1", "seed=1,2"),
)
LARGEST = 5_000_000
VOID = {"meta", "img", "source", "br", "link", "input", "hr"}
STARTS_WITHIN = 30
JSON = {"Content-Type": "application/json"}


class Page(HTMLParser):
    """What a browser would find: its tags closed in order, its addresses, its texts and its tables."""

    def __init__(self, path):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.addresses, self.texts, self.cells = [], [], [], [], []
        self.attributes = set()
        self.feed(path.read_text(encoding="utf-8"))
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("td", "th"):
            self.cells[-1].append("")

    def handle_endtag(self, tag):
        assert tag == self.open.pop()

    def handle_data(self, data):
        self.texts.append(data)
        if self.open[-1:] and self.open[-1] in ("td", "th"):
            self.cells[-1][-1] += data

    @property
    def text(self):
        return "\n".join(self.texts)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of a table whose columns and classes are written in HTML."""
    from cnnlab.__main__ import main

    folder = tmp_path_factory.mktemp("lab")
    draw = random.Random(0)
    with (folder / "table.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["x", SCRIPT, TARGET])
        for _ in range(80):
            x = draw.gauss(0, 1)
            writer.writerow([f"{x:.3f}", f"{draw.gauss(0, 1):.3f}", CLASSES[x + draw.gauss(0, 1) > 0]])
    table, place = folder / "table.csv", folder / "study"
    assert main(["-m", *WORDS, f"data.path={table}", f"hydra.sweep.dir={place}"]) == 0
    return place


def run_of(study):
    return sorted(study.glob("*/result.json"))[0].parent


def test_both_pages_need_nothing_but_themselves(study):
    for path in (study / "report.html", run_of(study) / "report.html"):
        page = Page(path)
        assert path.stat().st_size < LARGEST
        elsewhere = [one for one in page.addresses if not one.startswith("data:image/png;base64,")]
        assert all((path.parent / urllib.request.unquote(one)).is_file() for one in elsewhere)
        assert "url(" not in path.read_text()
        assert "@import" not in path.read_text()


def test_what_came_from_files_and_users_is_text(study):
    for path in (study / "report.html", run_of(study) / "report.html"):
        page = Page(path)
        assert not {"script", "b>", "iframe", "object"} & set(page.tags)
        assert not [name for name in page.attributes if name.startswith("on")]
        assert TARGET in page.text
        assert "x" not in page.addresses
    assert CLASSES[0] in page.text
    assert CLASSES[1] in page.text


def test_the_run_page_says_what_result_json_says(study):
    folder = run_of(study)
    page, result = Page(folder / "report.html"), json.loads((folder / "result.json").read_text())
    (row,) = (cells for cells in page.cells if cells[0] == "accuracy")
    assert row[1:] == [f"{result[part]['accuracy']:.4f}" for part in ("val", "test")]
    assert f"epoch {result['best_epoch']} of 2" in page.text
    assert [cells for cells in page.cells if cells[0] == "trainer.max_epochs"] == [
        ["trainer.max_epochs", "2", "14"]
    ]


def test_the_study_page_says_what_study_csv_says(study):
    page = Page(study / "report.html")
    with (study / "study.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    head = next(cells for cells in page.cells if "test accuracy" in cells)
    for lr in ("0.01", "0.1"):
        mean = sum(float(row["test/accuracy"]) for row in rows if row["optimizer.lr"] == lr) / 2
        (cells,) = (one for one in page.cells if one[0] == lr and len(one) > 3)
        assert float(cells[head.index("test accuracy")].split(" ± ")[0]) == pytest.approx(mean, abs=6e-5)
    assert ["optimizer.lr", "0.01, 0.1"] in page.cells
    assert "± is one standard deviation over seed." in page.text
    samples = json.loads((run_of(study) / "result.json").read_text())["samples"]
    assert f"(samples: {samples['train']:,} to train, {samples['val']:,} to validate" in page.text


def test_the_commands_are_those_that_were_typed(study):
    assert shlex.split(command_of(study / "report.html"))[:4] == ["python", "-m", "cnnlab", "-m"]
    assert set(shlex.split(command_of(study / "report.html"))) >= set(WORDS)
    folder = run_of(study)
    words = shlex.split(command_of(folder / "report.html"))
    assert "optimizer.lr=0.01" in words
    assert "seed=1" in words


def command_of(path):
    return next(text for text in Page(path).texts if text.startswith("python -m cnnlab"))


def test_report_writes_the_same_pages_again(study, cnnlab):
    for folder in (study, run_of(study)):
        before = (folder / "report.html").read_bytes()
        (folder / "report.html").unlink()
        code, out, err = cnnlab("report", str(folder))
        assert (code, out, err) == (0, f"{folder / 'report.html'}\n", "")
        assert (folder / "report.html").read_bytes() == before


def test_compare_opens_a_page(study, cnnlab, monkeypatch, tmp_path):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert cnnlab("compare", str(study), "--open")[0] == 0
    (page,) = tmp_path.glob("outputs/*/*_compare/report.html")
    assert opened == [page.as_uri()]
    assert "optimizer.lr" in Page(page).text
    assert shlex.split(command_of(page)) == ["python", "-m", "cnnlab", "compare", str(study), "--open"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "report: the following arguments are required: folder; say report RUN|STUDY [--open]."),
        (["nowhere"], "nowhere: there is no such folder"),
        (["empty"], "empty: there is no run in it"),
        (["empty", "--opne"], "report: unrecognized arguments: --opne"),
        (["odd"], "odd/result.json: not the result of a run (seconds:"),
    ],
)
def test_a_mistake_is_one_sentence(cnnlab, left, tmp_path, words, said):
    (tmp_path / "empty").mkdir()
    folder = left("odd", []).folder
    result = json.loads((folder / "result.json").read_text()) | {"seconds": SCRIPT}
    (folder / "result.json").write_text(json.dumps(result))
    folder.rename(tmp_path / "odd")
    code, out, err = cnnlab("report", *words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert said in err
    assert not (tmp_path / "odd" / "report.html").exists()


def test_a_folder_in_the_place_of_the_page_is_a_mistake(cnnlab, left):
    run = left("0_a", [])
    (run.folder / "report.html").mkdir()
    code, _, err = cnnlab("report", str(run.folder))
    assert (code, err.count("\n")) == (2, 1)
    assert "report.html: it is a folder, where a file is to be written." in err


def test_a_run_without_validation_says_what_it_has(cnnlab, left):
    place = left("0", [], test=0.75)
    result = json.loads((place.folder / "result.json").read_text())
    (place.folder / "result.json").write_text(json.dumps(result | {"val": {}, "best_epoch": None}))
    assert cnnlab("report", str(place.folder))[0] == 0
    text = Page(place.folder / "report.html").text
    assert f"Test accuracy is 0.7500, with the weights of the last epoch, {result['epochs']}." in text
    assert "(-)" not in text


def test_a_run_that_failed_says_why(cnnlab, left):
    folder = left("0", [], status="failed", reason=f"the loss is {SCRIPT}").folder
    assert cnnlab("report", str(folder))[0] == 0
    page = Page(folder / "report.html")
    assert f"The run failed: the loss is {SCRIPT}." in page.texts
    assert "script" not in page.tags


@pytest.fixture(scope="module")
def board(study):
    """Asks a TensorBoard of the study for something."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [f"--logdir={study}", f"--port={port}", "--host=127.0.0.1", "--load_fast=false"]
    with subprocess.Popen(
        [sys.executable, "-m", "tensorboard.main", *words],
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))

        def ask(path, sent=None):
            asked = urllib.request.Request(f"http://127.0.0.1:{port}/data/plugin/{path}", sent, JSON)
            with direct.open(asked, timeout=STARTS_WITHIN) as answer:
                return json.loads(answer.read())

        try:
            if not started(ask, len(list(study.glob("*/result.json")))):
                pytest.skip(f"tensorboard takes more than {STARTS_WITHIN} s to start here")
            yield ask
        finally:
            process.terminate()


def started(ask, runs):
    """Whether it has read all runs in time."""
    until = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < until:
        try:
            if sum("loss" in tags for tags in ask("scalars/tags").values()) >= 2 * runs:
                return True
        except (urllib.error.URLError, ConnectionError, TimeoutError):
            pass
        time.sleep(0.2)
    return False


def test_tensorboard_shows_the_curves_of_a_study(board, study):
    tags = board("scalars/tags")
    for folder in study.glob("*/result.json"):
        name = folder.parent.name
        assert {"loss", "accuracy"} <= set(tags[f"{name}/tensorboard/val"])
        with (folder.parent / "metrics.csv").open(newline="") as file:
            losses = [float(row["val/loss"]) for row in csv.DictReader(file)]
        run = urllib.request.quote(f"{name}/tensorboard/val")
        points = board(f"scalars/scalars?tag=loss&run={run}")
        assert [step for _, step, _ in points] == [1, 2]
        assert [value for _, _, value in points] == pytest.approx(losses, rel=1e-5)


def test_tensorboard_shows_the_figures_of_a_study(board, study):
    tags = board("images/tags")
    for folder in study.glob("*/result.json"):
        found = tags[f"{folder.parent.name}/tensorboard"]
        drawn = [path.stem for path in (folder.parent / "figures").glob("*.png")]
        assert {re.sub("_", " ", name) for name in drawn if not name.endswith("_dark")} == set(found)


def test_tensorboard_shows_what_was_typed_beside_the_result(board, study):
    every = [f"STATUS_{status}" for status in ("UNKNOWN", "SUCCESS", "FAILURE", "RUNNING")]
    sent = {"allowedStatuses": every, "startIndex": 0, "sliceSize": 9}
    found = board("hparams/session_groups", json.dumps(sent).encode())["sessionGroups"]
    lrs = sorted(group["hparams"]["optimizer.lr"] for group in found)
    assert lrs == [0.01, 0.01, 0.1, 0.1]
    # Of many columns the page shows five: those that the runs have in common are not among them.
    assert set(found[0]["hparams"]) == {"data", "model", "optimizer.lr", "seed"}
    for group in found:
        name = Path(group["sessions"][0]["name"]).parts[0]
        result = json.loads((study / name / "result.json").read_text())
        values = {metric["name"]["tag"]: metric["value"] for metric in group["metricValues"]}
        assert values["final test accuracy"] == pytest.approx(result["test"]["accuracy"], rel=1e-5)
