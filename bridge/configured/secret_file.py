"""The files that settings name because what stands in them is nobody's business."""

from pathlib import Path

from bridge.errors import SettingsError


def read_secret_file(setting: str, path: str) -> str:
    """The file's one line. `setting` is for whoever has to mend it. Raises SettingsError."""
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{setting}: {path}: {error}") from error
