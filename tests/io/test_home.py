"""Where no home is known nothing is written beside the working folder, and nothing fails."""

from pathlib import Path

from napari_instseg.io.home import home, settings_folder
from napari_instseg.projects.recent import Recent


def test_without_a_home(tmp_path, monkeypatch):
    def unknown():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", staticmethod(unknown))
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: Path("~/.config/napari-instseg"))
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path / "tmp"))
    assert home() == tmp_path
    assert settings_folder() == tmp_path / "tmp" / "napari-instseg"
    assert Recent().read() == []
    assert not (tmp_path / "~").exists()


def test_with_a_home(tmp_path, monkeypatch):
    monkeypatch.setattr("platformdirs.user_config_path", lambda *_, **__: tmp_path / "settings")
    assert home() == Path.home()
    assert settings_folder() == tmp_path / "settings"
