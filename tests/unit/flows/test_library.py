"""All flows of a configuration together."""

from pathlib import Path

import pytest

from bridge.errors import SettingsError
from bridge.flows.library import configured_flows
from bridge.settings.file import config_directory, load_settings
from bridge.settings.settings import Settings

WAITS = """name = "W"
kind = "{kind}"
{more}start = "w"
[steps.w]
do = "wait"
seconds = 5
success = "end"
"""


def settings(folder: Path, inbound: str = "inbound") -> Settings:
    return load_settings(None, [f"flows.folder={folder}", f"flows.inbound={inbound}"])


def write(folder: Path, name: str, kind: str = "inbound", more: str = "") -> None:
    (folder / f"{name}.toml").write_text(WAITS.format(kind=kind, more=more), encoding="utf-8")


def complaint(folder: Path, inbound: str = "inbound") -> str:
    with pytest.raises(SettingsError) as refused:
        configured_flows(settings(folder, inbound))
    return refused.value.reason


def test_the_shipped_flows_fit_the_shipped_configuration() -> None:
    flows = configured_flows(load_settings(config_directory() / "bridge.toml"))
    assert [flow.flow_id for flow in flows] == ["escalation", "inbound"]


def test_who_has_queues_of_their_own_is_told_whose_flows_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text('[[queues]]\nid = "default"\nname = "Line"\nrole = "agent"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="no queue 'escalation-video-sme'") as refused:
        configured_flows(load_settings(path))
    assert "set flows.folder" in refused.value.reason.splitlines()[-1]


def test_every_file_s_mistakes_are_named_at_once(tmp_path: Path) -> None:
    write(tmp_path, "inbound", more='colour = "red"\n')
    write(tmp_path, "other", kind="sideways")
    (tmp_path / "third.toml").write_bytes(b"\xff")
    found = complaint(tmp_path).splitlines()
    assert [line.partition(".toml")[0].rpartition("/")[2] for line in found] == ["inbound", "other", "third"]


def test_the_inbound_flow_must_be_there_and_be_one(tmp_path: Path) -> None:
    write(tmp_path, "lead", kind="transfer")
    assert complaint(tmp_path) == "flows.inbound: no flow 'inbound'; there are lead"
    assert "calls need an inbound one" in complaint(tmp_path, "lead")
    assert len(configured_flows(settings(tmp_path, ""))) == 1


def test_digits_lead_to_one_flow_only(tmp_path: Path) -> None:
    write(tmp_path, "one", "escalation", 'digits = "9"\n')
    write(tmp_path, "two", "escalation", 'digits = "*9"\n')
    assert complaint(tmp_path, "") == "two: its digits *9 end in those of one: 9"
    write(tmp_path, "one", "escalation", 'digits = "*9"\n')
    assert complaint(tmp_path, "") == "two and one are bound to the same digits *9"


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    assert "no such folder" in complaint(tmp_path / "none")
