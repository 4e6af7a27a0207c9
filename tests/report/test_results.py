from cnnlab.report.pictures import row_figure
from cnnlab.report.results import page, summary, with_head
from cnnlab.study.record import CaseRecord, Curves, Record
from cnnlab.study.rows import Row

MET = Row(name="met", published=0.95, published_sd=0.01, variants={"wide": ("model.hidden=[9]",)})
ABSENT = Row(name="absent", published=0.4, instead="the photographs could not be had")
CURVES = Curves(
    [1, 2], {"train/accuracy": [0.5, 0.75], "val/accuracy": [0.5, 0.7]}, {"val/accuracy": [0.1, 0.1]}
)
RECORDS = {
    "met": Record(
        "met",
        "test/accuracy",
        {
            "": CaseRecord(
                [], values=[0.95, 0.96, 0.97], losses=[0.1] * 3, epochs=[5, 5, 7], parameters=1234
            ),
            "wide": CaseRecord(["model.hidden=[9]"], values=[0.9], epochs=[5]),
        },
        device="cpu, 32-true",
    )
}


def test_the_page_holds_each_figure_beside_the_published_one(tmp_path):
    text = page([MET, ABSENT], RECORDS, pictures=tmp_path)
    assert "| [`met`](#met) | 0.9500 ± 0.0100 | 0.9600 ± 0.0100 (3) | met | 0.0 |" in text
    assert "1,234 parameters, 5 to 7 epochs, cpu, 32-true" in text
    assert "| wide | 0.9000 (1) | 5 |" in text
    assert "| [`absent`](#absent) | 0.4000 |  | not run |  |" in text
    assert "Not run: the photographs could not be had." in text


def test_a_picture_is_shown_where_it_lies(tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "met.png").write_bytes(b"")
    assert "](results/met.png)" in page([MET], RECORDS, pictures=folder)


def test_the_summary_of_a_row_without_a_record_says_so():
    assert summary([Row(name="new")], {}).splitlines()[1].split() == ["new", "not", "run", "yet"]


def test_the_head_of_an_experiment_is_written_once():
    head = "# Published: x\n# Ours: not run yet\ndefaults: []\n"
    once = with_head(head, MET, RECORDS["met"])
    assert once == "# Published: x\n# Ours: test accuracy 0.9600 ± 0.0100 (3)\ndefaults: []\n"
    assert with_head(once, MET, RECORDS["met"]) == once


def test_the_head_says_how_short_a_training_was():
    partial = Record("met", "test/accuracy", {"": CaseRecord([], values=[0.9], epochs=[7], partial=True)})
    head = "# Ours: not run yet\n"
    assert with_head(head, MET, partial) == "# Ours: test accuracy 0.9000 (1), 7 epochs alone\n"
    partial.cases[""].too_short = True
    assert with_head(head, MET, partial) == head


def test_what_each_fold_chose_is_counted(tmp_path):
    row = Row(name="met", nested=("model.l2=0,1",))
    case = CaseRecord([], values=[0.9] * 3, losses=[0.1] * 3, epochs=[5] * 3, chosen={"l2=0": 4, "l2=1": 11})
    text = page([row], {"met": Record("met", "test/accuracy", {"": case})}, pictures=tmp_path)
    assert "chosen by validation: l2=1 (11 times); l2=0 (4 times)." in text


def test_what_could_not_be_had_here_is_shown_where_it_was_run(tmp_path):
    record = Record("absent", "test/accuracy", {"": CaseRecord([], values=[0.41], losses=[0.1], epochs=[5])})
    text = page([ABSENT], {"absent": record}, pictures=tmp_path)
    assert "Not run" not in text
    assert "| 0.4000 | 0.4100 (1) | too few runs |" in text


def test_a_curve_row_is_drawn_as_error_beside_its_variants():
    row = Row(name="curves", variants={"wide": ()})
    cases = {"": CaseRecord([], values=[1], curves=CURVES), "wide": CaseRecord([], values=[1], curves=CURVES)}
    figure = row_figure(row, Record("curves", "test/accuracy", cases))
    own, variants = figure.axes
    assert [line.get_label() for line in own.lines] == ["train", "validation"]
    assert own.lines[1].get_ydata().tolist() == [50.0, 100 * (1 - 0.7)]
    assert [line.get_label() for line in variants.lines] == ["the row itself", "wide"]


def test_a_grid_without_a_choice_has_no_figure_of_its_own(tmp_path):
    row = Row(name="met", grid=("a=1,2",))
    cases = {f"a={n}": CaseRecord([f"a={n}"], values=[0.5], epochs=[5]) for n in "12"}
    text = page([row], {"met": Record("met", "test/accuracy", cases, device="cpu")}, pictures=tmp_path)
    assert "Test accuracy of 2 settings; cpu." in text
    assert "| a=2 | 0.5000 (1) | 5 |" in text


def test_a_grid_is_drawn_by_its_number():
    row = Row(name="sweep", grid=("model=a,b", "model.kernel_size=2,10"))
    cases = {
        f"{net}{size}": CaseRecord([f"model={net}", f"model.kernel_size={size}"], values=[0.5 + size / 100])
        for net in "ab"
        for size in (10, 2)
    }
    (axes,) = row_figure(row, Record("sweep", "test/accuracy", cases)).axes
    assert axes.get_xlabel() == "kernel size"
    assert [line.get_label() for line in axes.lines] == ["a", "b"]
    assert axes.lines[0].get_xdata().tolist() == [2.0, 10.0]
    assert axes.lines[0].get_ydata().tolist() == [48.0, 40.0]


def test_a_row_with_a_published_figure_needs_no_picture():
    assert row_figure(MET, RECORDS["met"]) is None
