"""``figures``, ``explain`` and ``lr``, as they are typed."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from cnnlab.config.compose import compose
from cnnlab.models.graph import can_draw_graphs
from cnnlab.training.folder import RunFolder
from cnnlab.training.run import run

WORDS = ["data=digits", "data.size=8", "model=convnet", "model.features=[4,P]", "model.classifier=[]"]
QUICK = ["trainer=cpu", "logger=none", "trainer.max_epochs=1"]
OF_IMAGES = {
    *("learning_curves", "confusion_matrix", "confusion_matrix_of_counts", "calibration", "most_confused"),
    *("most_confident_mistakes", "responses", "first_layer_filters"),
    *(["network"] if can_draw_graphs() else []),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    run(compose([*WORDS, *QUICK, f"data.store={folder.parent}"]), folder)
    return folder


@pytest.fixture(scope="module")
def tabular(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "pima"
    run(compose(["data=pima", "model=logistic", *QUICK]), folder)
    return folder


def stems(folder):
    """Names of the figures for a light page."""
    return {path.stem for path in folder.iterdir() if not path.stem.endswith("_dark")}


def test_a_run_draws_what_fits_its_data(trained, tabular):
    assert stems(trained / "figures") == OF_IMAGES
    expected = OF_IMAGES - {"most_confident_mistakes", "responses", "first_layer_filters"}
    assert stems(tabular / "figures") == expected | {"roc_and_precision_recall"}


def test_outputs_of_a_squared_error_have_no_calibration(tmp_path):
    words = ["data=digits", "data.size=8", *QUICK, "model=mlp", "model.loss=mse", "model.hidden=[8]"]
    run(compose(words), tmp_path / "mse")
    assert "calibration" not in stems(tmp_path / "mse" / "figures")
    assert "most_confident_mistakes" in stems(tmp_path / "mse" / "figures")


def test_what_draws_the_network_is_named_where_it_is_missing(cnnlab, trained, monkeypatch, tmp_path):
    pytest.importorskip("torchview")
    monkeypatch.setenv("PATH", str(tmp_path))
    code, out, err = cnnlab("figures", str(trained), "network", "--to", "again")
    assert (code, out) == (2, "")
    assert err.startswith("cnnlab: Graphviz's program dot, which draws it, is missing")
    assert not (tmp_path / "again").exists()
    assert cnnlab("figures", str(trained), "calibration", "--to", "again")[0] == 0


def test_figures_are_drawn_again_as_they_were(cnnlab, trained, tmp_path):
    code, out, err = cnnlab("figures", str(trained), "--to", "again")
    assert (code, err) == (0, "")
    assert stems(tmp_path / "again") == OF_IMAGES
    for name in OF_IMAGES:
        path = trained / "figures" / f"{name}.png"
        first, second = (np.asarray(Image.open(p)) for p in (path, tmp_path / "again" / path.name))
        np.testing.assert_array_equal(first, second, err_msg=path.name)
    assert " taken for " in out


def test_some_figures_on_a_dark_page_with_chosen_images(cnnlab, trained, tmp_path):
    code, out, _ = cnnlab(
        "figures", str(trained), "responses", "calibration.png", "--test", "5", "--dark", "--to", "x"
    )
    assert code == 0
    assert out.split() == ["x/responses_dark.png", "x/calibration_dark.png"]
    assert np.asarray(Image.open(tmp_path / "x" / "calibration_dark.png"))[0, 0].max() < 50


def test_curves_and_counts_need_no_data(cnnlab, trained, tmp_path):
    shutil.copytree(trained, "alone")
    config = tmp_path / "alone" / "config.yaml"
    config.write_text(config.read_text().replace(f"store: {trained.parent}", "store: /proc/nowhere"))
    assert cnnlab("figures", "alone", "learning_curves", "confusion_matrix")[0] == 0


def test_images_are_explained(cnnlab, trained, tmp_path):
    pytest.importorskip("captum")
    Image.new("RGB", (30, 20), "white").save(tmp_path / "white.png")
    (tmp_path / "text.png").write_text("no picture")
    code, out, err = cnnlab("explain", str(trained), "white.png", "text.png", "--test", "0", "7", "--to", "x")
    assert code == 2
    assert err.count("\n") == 1
    assert "text.png: cannot be read as a picture" in err
    assert out.split() == ["x/explained_test_0.png", "x/explained_test_7.png", "x/explained_white.png"]
    assert stems(tmp_path / "x") == {"explained_test_0", "explained_test_7", "explained_white"}


def test_the_pictures_of_a_folder_are_explained(cnnlab, trained, tmp_path):
    pytest.importorskip("captum")
    (tmp_path / "photos").mkdir()
    Image.new("L", (8, 8), 99).save(tmp_path / "photos" / "one.png")
    (tmp_path / "photos" / "notes.txt").write_text("no picture")
    assert cnnlab("explain", str(trained), "photos", "--to", "x")[:2] == (0, "x/explained_one.png\n")
    (tmp_path / "none").mkdir()
    code, _, err = cnnlab("explain", str(trained), "none", "--to", "y")
    assert (code, err) == (2, "cnnlab: none: the folder holds no picture.\n")
    assert not (tmp_path / "y").exists()


def test_files_of_one_name_get_pictures_of_their_own(cnnlab, trained, tmp_path):
    pytest.importorskip("captum")
    for folder in "ab":
        (tmp_path / folder).mkdir()
        Image.new("L", (8, 8), ord(folder)).save(tmp_path / folder / "0.png")
    code, out, _ = cnnlab("explain", str(trained), "a/0.png", "b/0.png", "--to", "x")
    assert code == 0
    assert out.split() == ["x/explained_0.png", "x/explained_0-2.png"]
    assert stems(tmp_path / "x") == {"explained_0", "explained_0-2"}


def test_a_file_is_explained_with_the_pixels_where_predict_puts_them(cnnlab, trained, tmp_path, monkeypatch):
    """A network whose pixels were reversed sees a file turned by half a circle."""
    pytest.importorskip("captum")
    shutil.copytree(trained, tmp_path / "run")
    place = RunFolder(tmp_path / "run")
    place.write_input_format(replace(place.input_format(), permutation=tuple(reversed(range(64)))))
    image = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    Image.fromarray(image).save(tmp_path / "image.png")
    drawn = []
    monkeypatch.setattr(
        "cnnlab.figures.explanations.explanation", lambda *a, **k: drawn.append(a) or Figure()
    )
    assert cnnlab("explain", "run", "image.png", "--to", "x")[0] == 0
    ((shown, explained),) = drawn
    np.testing.assert_array_equal(shown.squeeze(), np.rot90(image, 2))
    likeliest, _, _ = cnnlab("predict", "run", "image.png", "--top", "1")[1].partition(": ")[2].partition(" ")
    assert next(iter(explained)).startswith(f"{likeliest}, ")


def test_a_rate_is_suggested_and_nothing_overwritten(cnnlab, tmp_path):
    code, out, err = cnnlab("lr", "data=pima", "model=logistic", "trainer=cpu", "--steps", "60")
    assert code == 0
    assert err == ""
    assert "optimizer.lr=" in out
    cnnlab("lr", "data=pima", "model=logistic", "trainer=cpu", "--steps", "60", "--to", "0.01")
    assert stems(tmp_path / "outputs" / "lr") == {"logistic_on_pima_adam", "logistic_on_pima_adam_2"}
    assert [path.name for path in (tmp_path / "outputs").iterdir()] == ["lr"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["figures"], "figures: a run folder is needed; say figures RUN"),
        (["figures", "nowhere"], "nowhere: not a run folder"),
        (["figures", "RUN", "confusion"], "did you mean confusion_matrix? There are learning_curves"),
        (
            ["figures", "RUN", "responses", "--test", "999"],
            "--test 999: the test set has the images 0 to 358",
        ),
        (["figures", "RUN", "--darker"], "unrecognized arguments: --darker"),
        (["explain", "RUN"], "explain: a run and an image are needed"),
        (["explain", "RUN", "--test", "-1"], "--test"),
        (["explain", "RUN", "--test", "359"], "--test 359: the test set has the images 0 to 358"),
        (["explain", "TABLE", "--test", "0"], "only a network that tells classes of images"),
        (["lr", "--steps", "1"], "lr --steps 1: at least 20"),
        (["lr", "--from", "1", "--to", "0.1"], "rates are above 0, and rise"),
        (["lr", "--picture", "x.jpg"], "its name must end in .png"),
        (["lr", "model.lrr=1"], "model.lrr: model has no key lrr"),
        (["describe", "--picture", "x.gif"], "its name must end in .png, .svg, .pdf"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(cnnlab, tmp_path, trained, tabular, words, said):
    if words[0] == "explain":
        pytest.importorskip("captum")
    places = {"RUN": str(trained), "TABLE": str(tabular)}
    code, out, err = cnnlab(*(places.get(word, word) for word in words))
    assert (code, out) == (2, "")
    assert err.count("\n") == 1
    assert said in err
    assert not list(tmp_path.iterdir())
