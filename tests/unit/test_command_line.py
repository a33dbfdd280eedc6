"""The command line: what it prints and how it exits."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bridge.__main__ import main, with_trial_users
from bridge.settings.file import config_directory, load_settings


def test_check_accepts_the_shipped_configuration(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--config", str(config_directory() / "bridge.toml")]) == 0
    assert "valid" in capsys.readouterr().out


def test_check_names_the_line_of_a_wrong_key_and_exits_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text("[sip]\nprot = 1\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 2
    assert f"{path}:2: sip.prot: unknown key; did you mean port?" in capsys.readouterr().err


def test_check_says_what_is_wrong_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--set", "sip.advertised_address=foo!bar", "--set", "rtp.port_max=1"]) == 2
    said = capsys.readouterr().err
    assert "sip.advertised_address: 'foo!bar' is no host name and no IP address" in said
    assert "rtp: rtp.port_max must be above rtp.port_min" in said


def test_check_names_files_that_are_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--set", "auth.secret_file=/no/such/file"]) == 0
    assert "auth.secret_file: no such file: /no/such/file" in capsys.readouterr().err


def test_check_names_a_missing_file_of_a_trunk_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bridge.toml"
    trunk = 'id = "acme"\nnetworks = ["192.0.2.1/32"]\nusername = "we"\npassword_file = "/no/such/file"'
    path.write_text(f"[[trunks]]\n{trunk}\n", encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 0
    said = capsys.readouterr().err
    assert "trunks.password_file of acme: no such file: /no/such/file" in said
    assert said.count("no such file") == 1


def test_check_warns_that_browsers_beyond_localhost_have_no_camera(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["check", "--set", "http.address=0.0.0.0"]) == 0
    assert "HTTPS" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["token", "--subject", "alice"], ["trace", "int_1"]])
def test_without_a_key_it_is_said_how_to_make_one(
    capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert main(command) == 2
    said = capsys.readouterr().err
    assert "head -c 32 /dev/urandom | base64 > secret" in said
    assert "auth.secret_file=secret" in said


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[log]\n[flows]\nfolder = "/no/such"\n', "3: flows.folder: no such folder: /no/such"),
        (
            '[log]\n[[users]]\nid = "a"\npermissions = ["quueue:write"]\n',
            "4: users.permissions: there is no scope",
        ),
        ('[log]\n[issuer]\nscopes = ["quueue:write"]\n', "3: issuer.scopes: there is no scope quueue:write"),
        (
            '[[auth.clients]]\nid = "a"\nsecret_hash = "$argon2id$"\nscopes = ["quueue:write"]\n',
            "4: auth.clients.scopes: there is no scope",
        ),
    ],
)
def test_check_names_the_line_of_what_only_shows_later(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str
) -> None:
    path = tmp_path / "bridge.toml"
    path.write_text(text, encoding="utf-8")
    assert main(["check", "--config", str(path)]) == 2
    assert f"{path}:{says}" in capsys.readouterr().err


def test_help_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    assert all(command in text for command in ("serve", "demo", "check", "token"))


def test_password_comes_from_a_pipe_and_leaves_only_its_hash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    assert main(["password"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith('password_hash = "$argon2id$')
    assert "horse" not in printed
    monkeypatch.setattr("sys.stdin", io.StringIO("short\n"))
    assert main(["password"]) == 2


def test_whoever_tries_it_may_call_from_any_address_this_machine_has(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tried = with_trial_users(load_settings(None))
    assert [trunk.networks for trunk in tried.all_trunks] == [("0.0.0.0/0",)]
    assert [user.id for user in tried.users] == ["alice", "bob"]
    assert tried.log.format == "console"
    said = capsys.readouterr().out
    assert "http://localhost:8080/" in said
    assert "sip:support@127.0.0.1:5060" in said
    beyond = with_trial_users(load_settings(None, ["sip.address=192.0.2.1", "log.format=json"]))
    assert [trunk.networks for trunk in beyond.all_trunks] == [("127.0.0.0/8",)]
    assert beyond.log.format == "json"
    capsys.readouterr()


def test_users_to_try_with_are_for_this_machine_only(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["serve", "--try", "--set", "http.address=0.0.0.0"]) == 2
    assert "--try is for this machine alone" in capsys.readouterr().err
    path = tmp_path / "bridge.toml"
    path.write_text('[[users]]\nid = "alice"\n', encoding="utf-8")
    assert main(["serve", "--try", "--config", str(path)]) == 2
    assert "the configuration has alice" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--subject", ""], "--subject: write a user id"),
        (["--subject", "a\nb"], "--subject: write a user id"),
        (["--subject", "alice", "--lifetime", "0"], "--lifetime 0: write how many seconds"),
        (["--subject", "alice", "--scope", "queue:wirte"], "--scope queue:wirte: unknown; there are"),
    ],
)
def test_a_token_that_nobody_would_take_is_not_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    (tmp_path / "key").write_bytes(b"0123456789abcdef0123456789abcdef")
    assert main(["token", "--set", f"auth.secret_file={tmp_path / 'key'}", *options]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert says in said.err


def test_whoever_has_read_enough_gets_no_traceback() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        command = [sys.executable, "-m", "bridge", "check"]
        ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    finally:
        os.close(writing)
    assert ended.returncode == 0
    assert [line for line in ended.stderr.splitlines() if not line.startswith("warning: ")] == []
