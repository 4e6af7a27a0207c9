"""The table and the figures of a study, from run folders as trainings leave them."""

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from cnnlab.report.comparison import as_csv, markdown, screen, write
from cnnlab.report.study import write as write_page
from cnnlab.report.study_pictures import draw, study_figures
from cnnlab.study.comparison import compare
from cnnlab.training.loggers import as_csv as metrics_csv

RATES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


@pytest.fixture
def study(left):
    """Seven rates with two seeds; the higher, the better by validation."""
    return [
        left(f"{2 * i + seed}", [f"optimizer.lr={lr}", f"seed={seed}"], val=lr, test=lr + seed / 100)
        for i, lr in enumerate(RATES)
        for seed in (0, 1)
    ]


def cells(lines):
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]


def test_the_page_has_the_five_best_first_then_the_others(study):
    top, others = markdown(compare(study), "kernels").split("## The others")
    assert top.startswith("# kernels\n\nBest by validation is lr=0.7: ")
    assert [row[0] for row in cells(top.splitlines())] == ["lr", "---", "0.7", "0.6", "0.5", "0.4", "0.3"]
    assert [row[0] for row in cells(others.splitlines())] == ["lr", "---", "0.2", "0.1"]
    head, _, best = cells(top.splitlines())[:3]
    assert dict(zip(head, best, strict=True)) == {
        "lr": "0.7",
        "validation accuracy": "0.7000 ± 0.0000",
        "test accuracy": "0.7050 ± 0.0071",
        "improvement": "3.034",  # 0.895 / 0.295
        "to the best": "",
        "runs": "2",
        "seconds": "10.0",
        "parameters": "650",
    }
    assert "-0.1000 (too few to tell)" in top


def test_one_setting_is_compared_with_no_other(study):
    page = markdown(compare(study[:2]), "seeds")
    assert (
        "Test accuracy is 0.1050 ± 0.0071, validation accuracy 0.1000 ± 0.0000 (mean ± SD over 2 seeds)."
        in page
    )
    assert cells(page.splitlines())[0] == [
        *("setting", "validation accuracy", "test accuracy", "runs", "seconds", "parameters")
    ]
    assert "improvement" not in page.lower()


def test_whole_numbers_are_said_as_they_were_typed(left):
    grid = [(lr, size) for lr in (0.1, 0.2, 0.3) for size in (16, 64)]
    runs = [
        left(f"{i}", [f"optimizer.lr={lr}", f"data.batch_size={size}"], val=0.5 + i / 10)
        for i, (lr, size) in enumerate(grid)
    ]
    (legend,) = study_figures(compare(runs))["sensitivity"].legends
    assert [text.get_text() for text in legend.get_texts()] == ["batch_size=16", "batch_size=64"]


def test_the_screen_shows_the_five_best_and_counts_the_others(study):
    lines = screen(compare(study)).splitlines()
    assert [line.split()[0] for line in lines[:7]] == ["lr", "0.7", "0.6", "0.5", "0.4", "0.3", "and"]
    assert lines[6] == "and 2 more"


def test_failed_runs_are_listed_with_their_reason(study, left):
    failed = left("99", ["optimizer.lr=9.0"], status="failed", reason="the loss | is <b>nan</b>")
    page = markdown(compare([*study, failed]), "s")
    assert "- `99`: failed, the loss \\| is &lt;b>nan&lt;/b>" in page.partition("## Not finished")[2]


def test_the_csv_holds_every_run_with_all_that_was_measured(study, tmp_path):
    comparison = compare(study)
    rows = list(csv.DictReader(io.StringIO(as_csv(study, comparison, tmp_path / "study"))))
    assert len(rows) == 14
    assert [row["run"] for row in rows[:3]] == ["0", "1", "2"]
    assert [float(row["test/accuracy"]) for row in rows[:3]] == [0.1, 0.11, 0.2]
    assert {(row["status"], row["reason"]) for row in rows} == {("finished", "")}
    assert [row["seed"] for row in rows[:2]] == ["0", "1"]


def test_both_files_are_written(study, tmp_path):
    write(compare(study), study, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"study.md", "study.csv"}


def texts(figure):
    return {text.get_text() for axes in figure.axes for text in (axes.xaxis.label, axes.yaxis.label)}


def test_one_setting_is_drawn_as_a_line(study):
    (figure,) = study_figures(compare(study)).values()
    assert texts(figure) >= {"optimizer.lr", "error (%)"}
    x, y = figure.axes[0].containers[0][0].get_data()
    assert x.tolist() == list(RATES)
    assert y.tolist() == pytest.approx([100 * (1 - lr) for lr in RATES])


def test_two_settings_are_a_heat_map_and_more_are_parallel_coordinates(left):
    two = [
        left(f"{lr}{l2}", [f"optimizer.lr={lr}", f"model.l2={l2}"], val=lr)
        for lr in (0.1, 0.2)
        for l2 in (0.0, 0.5)
    ]
    assert set(study_figures(compare(two))) == {"heat map", "sensitivity"}
    scattered = [
        left(f"s{i}", [f"optimizer.lr={i / 7}", f"model.l2={i / 11}"], val=i / 9) for i in range(1, 5)
    ]
    assert set(study_figures(compare(scattered))) == {"parallel coordinates"}


def test_ten_runs_of_several_settings_show_what_matters(left):
    runs = [
        left(f"{lr}{l2}{norm}", [f"optimizer.lr={lr}", f"model.l2={l2}", f"data.size={size}"], val=lr)
        for norm, size in enumerate((8, 16))
        for l2 in (0.0, 0.5)
        for lr in (0.1, 0.2, 0.3)
    ]
    figures = study_figures(compare(runs))
    assert set(figures) >= {"parallel coordinates", "importance"}
    assert figures["importance"].axes[0].get_yticklabels()[0].get_text() == "lr"


def test_where_chance_made_the_results_no_importance_is_drawn_and_the_page_says_so(left, tmp_path):
    results = np.random.default_rng(0).permutation(12) / 12
    runs = [
        left(f"{i}", [f"optimizer.lr={(i + 1) / 7}", f"model.l2={i % 5}", f"data.size={8 + i % 3}"], val=val)
        for i, val in enumerate(results)
    ]
    page = write_page(compare(runs), tmp_path).read_text()
    assert "Which setting matters cannot be said" in page
    assert (tmp_path / "figures" / "parallel_coordinates.png").exists()
    assert not (tmp_path / "figures" / "importance.png").exists()


def test_curves_are_drawn_with_a_band_and_saved(study, tmp_path: Path):
    for run in study:
        rows = [{"epoch": e, "val/accuracy": 0.1 * e, "train/accuracy": 0.2 * e} for e in (1, 2, 3)]
        (run.folder / "metrics.csv").write_text(metrics_csv(rows))
    files = draw(compare(study), tmp_path)
    assert [file.name for file in files] == ["learning_curves.png", "sensitivity.png"]
    assert all(file.read_bytes()[1:4] == b"PNG" for file in files)
    figure = study_figures(compare(study))["learning curves"]
    assert [axes.get_title() for axes in figure.axes] == ["train", "validation"]
    assert len(figure.axes[0].lines) == 5


def test_a_study_without_a_finished_run_draws_nothing(left):
    assert study_figures(compare([left("0", [], status="failed")])) == {}


def test_the_watched_test_and_the_loss_are_drawn_too(study):
    for run in study:
        parts = {"train": 0.5, "val": 0.4, "watched_test": 0.3}
        rows = [
            {"epoch": e}
            | {f"{part}/{name}": value / e for part, value in parts.items() for name in ("accuracy", "loss")}
            for e in (1, 2)
        ]
        (run.folder / "metrics.csv").write_text(metrics_csv(rows))
    figures = study_figures(compare(study))
    titles = ["train", "validation", "test (watched)"]
    assert [axes.get_title() for axes in figures["learning curves"].axes] == titles
    assert [axes.get_title() for axes in figures["loss curves"].axes] == titles
    assert figures["loss curves"].axes[0].get_ylabel() == "loss"


def test_figures_are_images_in_tensorboard_where_the_runs_are(study, tmp_path):
    draw(compare(study), tmp_path)
    assert not (tmp_path / "tensorboard").exists()
    (study[0].folder / "tensorboard").mkdir()
    for _ in range(2):  # in place of what was there
        draw(compare(study), tmp_path)
    assert len(list((tmp_path / "tensorboard").iterdir())) == 1
    found = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert found.Tags()["images"] == ["sensitivity"]
    assert found.Images("sensitivity")[0].encoded_image_string.startswith(b"\x89PNG")


def test_without_minisom_the_page_names_the_extra_and_the_old_map_goes(left, tmp_path, monkeypatch):
    runs = [
        left(f"{lr}{size}{l2}", [f"optimizer.lr={lr}", f"model.l2={l2}", f"data.size={size}"], val=lr)
        for size in (8, 16)
        for l2 in (0.0, 0.5)
        for lr in (0.1, 0.2, 0.3)
    ]
    old = [tmp_path / "figures" / f"self_organising_map{dark}.png" for dark in ("", "_dark")]
    old[0].parent.mkdir()
    for path in old:
        path.write_bytes(b"old")
    monkeypatch.setitem(sys.modules, "minisom", None)
    page = write_page(compare(runs), tmp_path).read_text()
    assert "minisom is not installed; pip install &#x27;cnnlab[studies]&#x27; installs it" in page
    assert not any(path.exists() for path in old)
