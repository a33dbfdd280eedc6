from pathlib import Path

import pytest

from bridge.codec import libopus


def test_the_library_in_the_wheel_is_found_and_answers() -> None:
    assert libopus.wheel_libraries()
    assert all(path.exists() for path in libopus.wheel_libraries())
    assert libopus.version().startswith("libopus 1.")


def test_a_missing_library_is_named_with_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libopus, "wheel_libraries", tuple)
    monkeypatch.setattr(libopus, "SYSTEM_LIBRARY", "libopus-that-is-not-there.so")
    libopus.libopus.cache_clear()
    try:
        with pytest.raises(libopus.LibraryMissingError, match=r"libopus-that-is-not-there.*install"):
            libopus.libopus()
    finally:
        monkeypatch.undo()
        libopus.libopus.cache_clear()


def test_a_file_that_is_no_library_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "libopus.so"
    broken.write_bytes(b"no library")
    real = libopus.wheel_libraries()
    monkeypatch.setattr(libopus, "wheel_libraries", lambda: (broken, *real))
    libopus.libopus.cache_clear()
    assert libopus.version().startswith("libopus 1.")
    libopus.libopus.cache_clear()
