import pytest


@pytest.fixture
def cnnlab(tmp_path, monkeypatch, capsys):
    """Type a command line in an empty folder, within this process; gives code, output and errors."""
    from cnnlab.__main__ import main

    monkeypatch.chdir(tmp_path)

    def typed(*words):
        capsys.readouterr()
        code = main(list(words))
        said = capsys.readouterr()
        return code, said.out, said.err

    return typed
