import json

from cnnlab.config.compose import compose
from cnnlab.training.result import Result, config_fingerprint


def test_numbers_that_json_lacks_become_null(tmp_path):
    Result(val={"loss": float("nan"), "accuracy": 0.5}).write(tmp_path / "result.json")
    assert json.loads((tmp_path / "result.json").read_text())["val"] == {"loss": None, "accuracy": 0.5}


def test_the_config_fingerprint_is_of_what_is_computed():
    base = config_fingerprint(compose([]))
    assert base == config_fingerprint(
        compose(["logger=none", "data.root=/elsewhere", "data.watch_test=true"])
    )
    changes = ["seed=1", "optimizer.lr=0.5", "data.validation=0.2", "model.dropout_dense=0.1"]
    assert len({config_fingerprint(compose([change])) for change in changes} | {base}) == 5
