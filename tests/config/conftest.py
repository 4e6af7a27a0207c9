import shutil

import pytest

from cnnlab.config import conf


@pytest.fixture
def own_conf(tmp_path, monkeypatch):
    """A copy of conf/ that the program reads instead, to be changed."""
    copy = tmp_path / "conf"
    shutil.copytree(conf.conf_dir(), copy)
    monkeypatch.setattr(conf, "conf_dir", lambda: copy)
    return copy
