import csv
import io
import json

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from cnnlab.config.compose import compose
from cnnlab.training.run import run

WORDS = ["trainer=cpu", "logger=none", "trainer.max_epochs=2", "schedule=constant"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Runs of digits, of a table and of texts, and files to predict from."""
    folder = tmp_path_factory.mktemp("predict")
    digits = ["data=digits", "data.size=8", f"data.store={folder}", "model=mlp", "model.hidden=[16]"]
    run(compose([*digits, *WORDS]), folder / "digits")
    run(compose(["data=boston", "model=linear", *WORDS]), folder / "boston")
    for split in ("train", "test"):
        for label, words in (("neg", "dull bad"), ("pos", "good fine")):
            for number in range(4):
                path = folder / "aclImdb" / split / label / f"{number}_1.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(f"{words} film {number}")
    texts = ["data=imdb", f"data.root={folder}", f"data.store={folder}", "data.verify=false", "data.words=12"]
    texts += ["data.view=counts", "data.validation=2", "model=bag_of_words", "optimizer.lr=0.3"]
    run(compose([*texts, *WORDS]), folder / "texts")
    (folder / "pictures").mkdir()
    for number in range(3):
        image = np.round(load_digits().images[number] * (255 / 16)).astype(np.uint8)
        Image.fromarray(image).save(folder / "pictures" / f"{number}.png")
    (folder / "pictures" / "notes.txt").write_text("a good film")
    (folder / "houses.csv").write_text(
        "LSTAT,CRIM,ZN,INDUS,CHAS,NOX,RM,AGE,DIS,RAD,TAX,PTRATIO,B\n4.98,0.1,18,2.31,0,0.538,6.575,65,4,1,296,15,397\n"
    )
    return folder


def test_pictures_of_a_folder_get_their_likeliest_classes(cnnlab, place):
    code, out, err = cnnlab(
        "predict", str(place / "digits"), str(place / "pictures"), "--top", "10", "--json"
    )
    found = json.loads(out)

    assert code == 0
    assert [entry["file"][-5:] for entry in found] == ["0.png", "1.png", "2.png"]
    for entry in found:
        numbers = [one["probability"] for one in entry["classes"]]
        assert sorted(one["class"] for one in entry["classes"]) == list("0123456789")
        assert numbers == sorted(numbers, reverse=True)
        assert sum(numbers) == pytest.approx(1, abs=1e-5)
    assert "1 other file is passed over" in err


def test_a_line_a_row_of_csv_and_an_entry_of_json_say_the_same(cnnlab, place):
    words = ["predict", str(place / "digits"), str(place / "pictures" / "0.png"), "--top", "2"]
    line = cnnlab(*words)[1]
    (row,) = csv.DictReader(io.StringIO(cnnlab(*words, "--csv")[1]))
    (entry,) = json.loads(cnnlab(*words, "--json")[1])

    assert list(row) == ["file", "line", "class_1", "probability_1", "class_2", "probability_2"]
    pairs = [(one["class"], one["probability"]) for one in entry["classes"]]
    assert [
        (row["class_1"], float(row["probability_1"])),
        (row["class_2"], float(row["probability_2"])),
    ] == pairs
    assert line == f"{entry['file']}: {', '.join(f'{name} {number:.4f}' for name, number in pairs)}\n"


def test_wrong_files_are_named_and_the_others_go_on(cnnlab, place):
    good, wrong, none = (str(place / "pictures" / name) for name in ("1.png", "notes.txt", "7.png"))
    code, out, err = cnnlab("predict", str(place / "digits"), wrong, good, none)
    assert code == 1
    assert out.startswith(f"{good}: ")
    assert err.count("\n") == 2
    assert f"{wrong}: the network takes pictures" in err
    assert f"{none}: there is no such file" in err
    assert cnnlab("predict", str(place / "digits"), wrong)[0] == 2


def test_rows_get_values_by_the_name_of_the_column(cnnlab, place):
    code, out, _ = cnnlab("predict", str(place / "boston"), str(place / "houses.csv"), "--json")
    (entry,) = json.loads(out)
    assert code == 0
    assert (entry["line"], list(entry["values"])) == (2, ["MEDV"])
    line = cnnlab("predict", str(place / "boston"), str(place / "houses.csv"))[1]
    assert line == f"{place / 'houses.csv'}, line 2: MEDV {entry['values']['MEDV']:.6g}\n"


def test_texts_need_the_run_folder_alone(cnnlab, place):
    (place / "aclImdb").rename(place / "gone")
    for store in place.glob("imdb-*.h5"):
        store.unlink()
    (place / "review.txt").write_text("A fine film; good!")
    _, out, _ = cnnlab(
        "predict",
        str(place / "texts"),
        str(place / "review.txt"),
        "--text",
        "dull, bad.",
        "--json",
        "--top",
        "1",
    )
    assert [entry["classes"][0]["class"] for entry in json.loads(out)] == ["neg", "pos"]
    assert [entry["file"] for entry in json.loads(out)] == ["--text 1", str(place / "review.txt")]


def test_a_text_without_a_known_word_is_answered_with_a_word_of_warning(cnnlab, place):
    (place / "empty.txt").write_text("")
    texts = ["--text", "fine", "--text", "zyzzyva!"]
    code, out, err = cnnlab("predict", str(place / "texts"), str(place / "empty.txt"), *texts)
    assert (code, out.count("\n")) == (0, 3)
    doubted = [line.split(": ")[1] for line in err.splitlines() if "no word of it is known" in line]
    assert doubted == ["--text 2", str(place / "empty.txt")]


def test_a_denoised_picture_is_written(cnnlab, tmp_path, monkeypatch):
    from cnnlab.data.input_format import InputFormat
    from cnnlab.data.mnist import MNIST
    from cnnlab.export import safetensors
    from cnnlab.training.build import build
    from cnnlab.training.folder import RunFolder

    cfg = compose(["model=autoencoder", "data=mnist", "data.noise=0.5"])
    _, module = build(cfg)
    place = RunFolder(tmp_path / "run")
    place.write_config(cfg, [])
    place.write_input_format(InputFormat(spec=MNIST(noise=0.5).spec))
    place.checkpoints.mkdir()
    import torch

    torch.save({"state_dict": module.state_dict(), "epoch": 0}, place.last)
    safetensors.write(place.path, tmp_path / "cleaner.safetensors")
    Image.fromarray(np.zeros((28, 28), np.uint8)).save(tmp_path / "noisy.png")

    code, out, _ = cnnlab("predict", "cleaner.safetensors", "noisy.png")

    assert (code, out) == (0, "noisy.png: predictions/noisy.png\n")
    with Image.open(tmp_path / "predictions" / "noisy.png") as image:
        assert (image.size, image.mode) == ((28, 28), "L")
    assert cnnlab("predict", "cleaner.safetensors", "noisy.png", "--folder", ".")[0] == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "the following arguments are required: network"),
        (["nowhere"], "there is no file to predict from"),
        (["nowhere", "a.png"], "nowhere: there is no such file or folder"),
        (["nowhere", "a.png", "--top", "0"], "--top 0: at least 1"),
        (["nowhere", "a.png", "--top", "x"], "--top: invalid int value: 'x'"),
        (["nowhere", "a.png", "--json", "--csv"], "not allowed with"),
        (["nowhere", "a.png", "--jsno"], "unrecognized arguments: --jsno"),
    ],
)
def test_a_mistake_is_one_sentence(cnnlab, words, said):
    code, out, err = cnnlab("predict", *words)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1
