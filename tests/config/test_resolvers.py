import os

import pytest
from omegaconf import OmegaConf

from cnnlab.config.resolvers import folder_name, register_resolvers


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("model=mlp,seed=1", "model=mlp,seed=1"),
        ("model.hidden=[5,5]", "model.hidden=[5,5]"),
        ("data.root=/a/b", "data.root=-a-b"),
        ('x="a b*?"', "x=-a-b-"),
        ("../..", "..-"),
        ("", "default"),
        ("...", "default"),
        ("data.name=größe", "data.name=größe"),
    ],
)
def test_a_folder_name_is_one_plain_name(text, name):
    assert folder_name(text) == name


@pytest.mark.parametrize("text", ["x" * 5000, "日本" * 500, "é" * 121])
def test_a_long_name_still_makes_a_folder(text, tmp_path):
    name = folder_name(text)
    (tmp_path / f"123_{name}").mkdir()
    assert 100 < len(os.fsencode(name)) <= 120
    assert text.startswith(name)


def test_configs_can_ask_for_it_however_often_it_is_registered():
    register_resolvers()
    register_resolvers()
    assert OmegaConf.create({"name": "${folder_name:a/b}"}).name == "a-b"
