"""The configuration: defaults, explanations, and complaints that name the line."""

import re
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import SettingsError
from bridge.settings.file import config_directory, load_settings, placed
from bridge.settings.settings import Settings
from bridge.settings.trunk import Trunk

CONFIG = config_directory() / "bridge.toml"


def _tables(section: dict[str, Any] | tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """A section is one table, or as many as there are."""
    return section if isinstance(section, tuple) else (section,)


def test_the_file_that_explains_the_settings_holds_exactly_their_defaults() -> None:
    assert load_settings(CONFIG) == Settings()
    lines = CONFIG.read_text(encoding="utf-8").splitlines()
    explained = {match.group(1) for line in lines if (match := re.match(r"([a-z0-9_]+) = .+ # .+", line))}
    inner = {match.group(1) for line in lines if (match := re.match(r"\[\[\w+\.(\w+)\]\] +# .+", line))}
    tables = [table for section in Settings().model_dump().values() for table in _tables(section)]
    tables += [table for outer in tables for name in inner & set(outer) for table in outer[name]]
    known = {key for table in tables for key in table}
    assert explained | inner == known


def test_the_file_explains_each_setting_of_a_trunk_with_its_default(tmp_path: Path) -> None:
    text = CONFIG.read_text(encoding="utf-8")
    table = text[text.index("# [[trunks]]") :].partition("\n\n")[0]
    assert all(re.match(r"# .+ # .+", line) for line in table.splitlines())
    written = tmp_path / "bridge.toml"
    written.write_text(re.sub("^# ", "", table, flags=re.MULTILINE) + '\nnetworks=["::/0"]', encoding="utf-8")
    written.write_text(
        written.read_text(encoding="utf-8").replace("networks = []", "# networks"), encoding="utf-8"
    )
    (trunk,) = load_settings(written).trunks
    assert trunk == Trunk(id="carrier", networks=("::/0",))
    assert {*re.findall(r"^# ([a-z0-9_]+) =", table, flags=re.MULTILINE)} == {*Trunk.model_fields}


def test_without_trunks_what_sip_says_is_one() -> None:
    settings = load_settings(None, ['sip.codecs=["PCMA"]', "sip.dial_target=sip:{number}@a.example"])
    (trunk,) = settings.all_trunks
    assert (trunk.id, trunk.networks, trunk.target, trunk.codecs) == (
        "default",
        ("127.0.0.0/8",),
        "sip:{number}@a.example",
        ("PCMA",),
    )


def test_an_unknown_key_is_named_with_its_line_and_the_nearest_known_one(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text("[sip]\nport = 5070\n\n[rtp]\nport_mni = 12000\n", encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert f"{path}:5: rtp.port_mni: unknown key; did you mean port_min?" in caught.value.reason


def test_every_wrong_key_is_named_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text('[sip]\nport = 99999\ncodecs = ["SPEEX"]\n\n[typo]\n', encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    complaints = caught.value.reason.splitlines()
    assert [line.split(": ")[0] for line in complaints] == [f"{path}:{number}" for number in (2, 3, 5)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[rtp]\nport_min = 20000\nport_max = 20000\n", "two ports"),
        ('[http]\ncertificate = "x.pem"\n', "go together"),
        ('[sip]\nallowed_networks = ["10.0.0.0/33"]\n', "10.0.0.0/33"),
        ("[sip\n", "line 1"),
        ('[sip]\naddress = "bridge.example"\n', "2: sip.address: "),
        ('[rtp]\nadvertised_address = "bridge.example"\n', "2: rtp.advertised_address: "),
        ('[rtp]\naddress = "0.0.0.0"\n', "needs rtp.advertised_address"),
        ('[webrtc]\naddress = "::"\n', "needs webrtc.advertised_address"),
        ('[[queues]]\nid = "a"\nname = "A"\noverflow_to = "queue"\n', "go together"),
        (
            '[[queues]]\nid = "a"\nname = "A"\noverflow_to = "queue"\noverflow_queue = "b"\n',
            "'b', which is none",
        ),
        ('[[queues]]\nid = "a"\nname = "A"\n[[queues]]\nid = "a"\nname = "B"\n', "more than once"),
        ('[[queues]]\nid = "a"\nname = "A"\nrole = "boss"\n', "4: queues.role: "),
        ('[[trunks]]\nid = "a"\nnetworks = ["10.0.0.0/33"]\n', "3: trunks.networks: "),
        ('[[trunks]]\nid = "a"\ntarget = "tel:1"\n', "3: trunks.target: "),
        ('[[trunks]]\nid = "a"\n', "1: trunks: a: no call can use it"),
        (
            '[[trunks]]\nid = "a"\ntarget = "sip:a"\ncodec = []\n',
            "4: trunks.codec: unknown key; did you mean codecs?",
        ),
        ('[[trunks]]\nid = "a"\ntarget = "sip:a"\nsession_expires_s = 60\n', "4: trunks.session_expires_s: "),
        ('[[trunks]]\nid = "a"\nsrtp = "no"\n[[trunks]]\nid = "b"\nsrtp = "off"\n', "3: trunks.srtp: "),
        (
            '[[trunks]]\nid = "a"\ntarget = "sip:a"\n[[trunks]]\nid = "a"\ntarget = "sip:b"\n',
            "5: trunks.id: more than one",
        ),
        (
            '[[trunks]]\nid = "a"\nnetworks = ["10.0.0.0/8"]\n[[trunks]]\nid = "b"\nnetworks = ["10.0.0.0/8"]\n',
            "6: trunks.networks: 10.0.0.0/8 belongs to a and to b",
        ),
        (
            '[[trunks]]\nid = "a"\ntarget = "sip:a"\nusername = "u"\n',
            "1: trunks: a: username and password_file",
        ),
        ('[[trunks]]\nid = "a"\ntarget = "sip:a"\nauthenticate = true\n', "4: trunks.authenticate: a: "),
        (
            '[sip]\ndial_target = "sip:{number}@a"\n[[trunks]]\nid = "a"\ntarget = "sip:a"\n',
            "2: sip.dial_target: for a bridge without [[trunks]]: write target in",
        ),
        ('[sign_in]\nissuer = "https://login.example"\n', "go together"),
        ('[sign_in]\nissuer = "http://login.example"\nclient_id = "x"\n', "must be https"),
        ('[sign_in]\nissuer = "https://login.example"\nclient_id = "x"\n', "needs http.public_url"),
        ('[[users]]\nid = "a"\nroles = ["boss"]\n', "3: users.roles"),
        ('[[users]]\nid = "a"\npassword_hash = "plain"\n', "3: users.password_hash: "),
        ('[[users]]\nid = "a"\n[[users]]\nid = "b"\nexternal_ids = ["a"]\n', "stands for more than one"),
        ('[journal]\nurl = "mysql://db/bridge"\n', "2: journal.url: "),
    ],
)
def test_what_cannot_work_is_refused_with_the_cause(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError, match=re.escape(says)):
        load_settings(path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[log]\n[rtp]\nport_min = 20000\nport_max = 20000\n", "4: rtp: "),
        ('[log]\n[http]\ncertificate = "x.pem"\n', "3: http: "),
        ("[log]\n[sip]\nport = \n", "3: Invalid value"),
        ('[log]\n[[queues]]\nid = "a"\nname = "A"\noverflow_depth = 3\n', "5: queues: "),
        ('[log]\n[[queues]]\nid = "a"\nname = "A"\n[[queues]]\nid = "a"\nname = "B"\n', "6: queues.id: "),
        (
            '[[queues]]\nid = "a"\nname = "A"\noverflow_to = "queue"\noverflow_queue = "b"\n',
            "5: queues.overflow_queue: ",
        ),
        ('[[queues]]\nid = "a"\nname = "A"\nnotify_groups = ["x"]\n', "4: queues.notify_groups: "),
        ("[log]\n[notifications]\ngroups = []\n", "3: queues.notify_groups: "),
        ('[[users]]\nid = "a"\n[[users]]\nid = "b"\nexternal_ids = ["a"]\n', "5: users.external_ids: "),
        (
            '[[users]]\nid = "a"\npassword_hash = "x"\n',
            "3: users.password_hash: must be what `warmbridge password`",
        ),
        ("[log]\n[[users]]\n", "2: users.id: must be there"),
        (
            '[log]\n[sign_in]\nissuer = "https://a.example"\nclient_id = "x"\n',
            "3: sign_in.issuer: needs http.public_url",
        ),
        ('[[sidebar.fields]]\nname = "a"\n[[sidebar.fields]]\nname = "a"\n', "4: sidebar.fields.name: "),
    ],
)
def test_a_rule_over_several_keys_names_the_line_to_mend(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert caught.value.reason.startswith(f"{path}:{says}")


def test_what_is_found_out_later_gets_its_place_too(tmp_path: Path) -> None:
    path = tmp_path / "sip.toml"
    path.write_text('[http]\nport = 80\n[[users]]\nid = "a"\npermissions = ["x"]\n', encoding="utf-8")
    assert placed("users.0.permissions: none", path) == f"{path}:5: users.permissions: none"
    assert (
        placed("http.address and http.port: no\nand more", path)
        == f"{path}:1: http.address and http.port: no\nand more"
    )
    assert placed("http.port: no", path, ["http.port=81"]) == "--set http.port=81: http.port: no"
    for text in ("rtp.port_min: not set here", "sip.toml:5: placed already", "no key"):
        assert placed(text, path) == text
    absent = tmp_path / "absent.toml"
    assert placed("http.port: no", absent) == "http.port: no"


def test_overrides_win_and_bare_words_need_no_quotes() -> None:
    settings = load_settings(None, ["rtp.port_min=12000", "sip.address=10.0.0.1", 'sip.codecs=["PCMA"]'])
    assert (settings.rtp.port_min, settings.sip.address, settings.sip.codecs) == (
        12000,
        "10.0.0.1",
        ("PCMA",),
    )


@pytest.mark.parametrize("override", ["rtp.port_min", "port=1", "rtp.prt_min=1", "nothing.at=1"])
def test_a_wrong_override_is_named(override: str) -> None:
    with pytest.raises(SettingsError, match=re.escape(override)):
        load_settings(None, [override])


def test_a_missing_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--config"):
        load_settings(tmp_path / "absent.toml")


@pytest.mark.parametrize(
    ("address", "certificate", "camera"),
    [("127.0.0.1", "", True), ("localhost", "", True), ("0.0.0.0", "", False), ("0.0.0.0", "c.pem", True)],
)
def test_the_camera_needs_https_or_localhost(address: str, certificate: str, *, camera: bool) -> None:
    key = "k.pem" if certificate else ""
    settings = load_settings(
        None, [f"http.address={address}", f"http.certificate={certificate}", f"http.private_key={key}"]
    )
    assert settings.http.browsers_get_a_camera is camera
