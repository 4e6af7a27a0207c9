import csv
import io

import numpy as np
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

from cnnlab.training.loggers import EpochRecords, TensorBoard


def test_records_make_one_row_of_an_epochs_calls(tmp_path):
    seen = []
    records = EpochRecords(tmp_path / "metrics.csv", seen.append)
    for epoch in range(2):
        records.log_metrics({"val/loss": 0.5 - epoch / 10, "epoch": epoch}, step=9 * (epoch + 1))
        records.log_metrics({"train/loss": 0.75, "lr": 0.1, "epoch": epoch}, step=9 * (epoch + 1))
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["epoch"], row["val/loss"], row["train/loss"], row["lr"]) for row in rows] == [
        ("1", "0.5", "0.75", "0.1"),
        ("2", "0.4", "0.75", "0.1"),
    ]
    assert seen == records.rows
    assert records.history()["val/loss"] == [0.5, 0.4]


def test_a_new_column_is_a_gap_in_the_rows_before_it(tmp_path):
    records = EpochRecords(tmp_path / "metrics.csv")
    for epoch in range(4):
        if epoch % 2:
            records.log_metrics({"val/loss": 0.5, "epoch": epoch}, step=epoch)
        records.log_metrics({"train/loss": 0.75, "epoch": epoch}, step=epoch)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["val/loss"] for row in rows] == ["", "0.5", "", "0.5"]
    assert [row["train/loss"] for row in rows] == ["0.75"] * 4


def test_an_epoch_without_validation_leaves_a_gap(tmp_path):
    records = EpochRecords(tmp_path / "metrics.csv")
    records.log_metrics({"train/loss": 1.0, "epoch": 0}, step=1)
    records.log_metrics({"val/loss": 0.5, "epoch": 1}, step=2)
    records.log_metrics({"train/loss": 0.5, "epoch": 1}, step=2)
    first, second = records.history()["val/loss"]
    assert first != first
    assert second == 0.5


def read(folder):
    return EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0}).Reload()


def test_curves_of_train_val_and_test_overlay_by_their_tags(tmp_path):
    board = TensorBoard(tmp_path)
    for epoch in range(3):
        board.log_metrics({"val/loss": 0.5, "watched_test/loss": 0.7, "epoch": epoch}, step=10)
        board.log_metrics({"train/loss": 0.4, "lr": 0.01, "epoch": epoch}, step=10)
    board.close()
    for part, value in (("train", 0.4), ("val", 0.5), ("test", 0.7)):
        scalars = read(tmp_path / part).Scalars("loss")
        assert [(event.step, round(event.value, 3)) for event in scalars] == [(e, value) for e in (1, 2, 3)]
    assert [round(event.value, 3) for event in read(tmp_path / "train").Scalars("learning rate")] == [
        0.01
    ] * 3


def test_hyperparameters_stand_beside_the_result(tmp_path):
    board = TensorBoard(tmp_path)
    board.log_result({"model.hidden": "[10]", "seed": 0}, {"final test accuracy": 0.97})
    board.close()
    events = read(tmp_path)
    assert round(events.Scalars("final test accuracy")[-1].value, 3) == 0.97
    content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    settings = HParamsPluginData.FromString(content).session_start_info.hparams
    assert settings["model.hidden"].string_value == "[10]"
    assert settings["seed"].number_value == 0


def test_a_picture_is_the_one_that_was_saved(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    board = TensorBoard(tmp_path / "tensorboard")
    board.log_figure("picture", (tmp_path / "picture.png").read_bytes())
    board.close()
    (shown,) = read(tmp_path / "tensorboard").Images("picture")
    assert (shown.width, shown.height) == (30, 20)
    with Image.open(io.BytesIO(shown.encoded_image_string)) as found:
        assert (np.asarray(found) == pixels).all()
