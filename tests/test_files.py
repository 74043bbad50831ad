"""Opening what a user names, and names of what is yet to be written."""

import os
import re
import socket
import sys
from pathlib import Path

import pytest

from messsim import files
from messsim.errors import DataError
from messsim.files import NotAFile, check_plain, in_words, is_utf8, partial_name, partial_names, read_json, sha256, why
from messsim.routing.compiled import folder_of


def test_names_of_partial_results_are_of_their_target_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {partial_name(Path("a.b")) for _ in range(20)}
    assert len(names) == 20
    assert {name.parent for name in names} == {tmp_path}
    pattern = partial_names(Path("a.b"))
    for name in names:
        assert re.fullmatch(r"\.a\.b\.[0-9a-f]{16}\.partial", name.name)
        assert pattern.fullmatch(name.name)
        assert not partial_names(Path("a_b")).fullmatch(name.name)
        assert not partial_names(Path("ab")).fullmatch(name.name)
    for other in (".axb.0123.partial", ".a.b..partial", ".a.b.0123xpartial", ".a.b.0123.partial2", ".a.b.xyz.partial"):
        assert not pattern.fullmatch(other)


def test_a_name_as_long_as_there_are_has_partial_results():
    """255 bytes are the most that a name may have."""
    long = "ä" * 50
    assert partial_name(Path(long + "x")).name.startswith(f".{long}.")
    assert len(partial_name(Path("𝄞" * 63)).name.encode()) <= 255


@pytest.mark.parametrize(("name", "can"), [("plain", True), ("ä", True), (os.fsdecode(b"\xff"), False)])
def test_paths_that_can_stand_in_a_text(name, can):
    assert is_utf8(Path(name)) is can


def test_kinds_of_what_is_no_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path, kind in (
            (tmp_path, "a directory"),
            (tmp_path / "fifo", "a pipe"),
            (tmp_path / "socket", "a socket"),
            (Path("/dev/null"), "a device"),
        ):
            with pytest.raises(NotAFile, match=f"^{kind}$"):
                check_plain(path)
    with pytest.raises(FileNotFoundError):
        check_plain(tmp_path / "with\0zero")
    (tmp_path / "plain").touch()
    check_plain(tmp_path / "plain")


def test_standard_input_that_is_closed_cannot_be_read(monkeypatch):
    files._standard_input.cache_clear()
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OSError, match=r"^standard input is closed$") as error:
        files.open_file(files.STDIN)
    assert why(error.value) == "cannot be read: standard input is closed"


def test_what_a_file_has_is_put_in_words_with_its_path():
    for error, words in (
        (FileNotFoundError(2, "No such file", "a/b"), "a/b: no such file"),
        (NotADirectoryError(20, "Not a directory", b"a/b"), "a/b: cannot be read: Not a directory"),
        (OSError("it is longer than 3 MiB"), "x: cannot be read: it is longer than 3 MiB"),
        (ValueError("Expecting value"), "x: Expecting value"),
        (DataError("has no rows", "a/b"), "a/b: has no rows"),
    ):
        assert in_words(error, Path("x")) == words


@pytest.mark.parametrize(
    ("error", "expected", "sentence"),
    [
        (FileNotFoundError(2, "gone"), None, "no such file"),
        (FileNotFoundError(2, "gone"), "a log", "no such file; expected a log"),
        (NotAFile("a pipe"), None, "is a pipe; expected a file; a command takes - for standard input"),
        (NotAFile("a pipe"), "a log", "is a pipe; expected a log; a command takes - for standard input"),
        (PermissionError(13, "Permission denied", "f"), "a log", "cannot be read: Permission denied"),
        (OSError("it is longer than 3 MiB"), None, "cannot be read: it is longer than 3 MiB"),
    ],
)
def test_why_a_path_cannot_be_read(error, expected, sentence):
    assert (why(error) if expected is None else why(error, expected)) == sentence


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1,", "Expecting value"),
        ("1" * (sys.get_int_max_str_digits() + 1), "a number has over 4,300 digits"),
        ("[" * 100_000, "it is nested too deeply"),
        (b"\xff", "can't decode byte 0xff"),
    ],
    ids=["json", "digits", "depth", "text"],
)
def test_json_that_cannot_be_read(tmp_path, text, message):
    (tmp_path / "f").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=message) as error:
        read_json(tmp_path / "f")
    assert str(error.value).startswith((message, "'utf-8' codec"))


def test_json_of_the_longest_length_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "MOST_JSON", 3)
    (tmp_path / "f").write_text("123")
    assert read_json(tmp_path / "f") == 123
    (tmp_path / "f").write_text("1234")
    with pytest.raises(OSError, match="it is longer than 0 MiB"):
        read_json(tmp_path / "f")


def test_the_digest_of_a_file(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    assert sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def no_home():
    raise RuntimeError("Could not determine home directory.")


def test_who_has_no_home_has_no_cache(monkeypatch):
    """As in a container whose user the system does not know: policies are compiled without one."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", lambda: Path("/home/some"))
    assert files.cache_folder() == Path("/home/some/.cache/messsim")
    monkeypatch.setattr(Path, "home", no_home)
    assert files.cache_folder() is None
    assert folder_of("0" * 64) is None


def test_who_has_an_empty_home_has_no_cache_at_the_root(monkeypatch, tmp_path):
    """Python takes it for `/`."""
    monkeypatch.setenv("HOME", "")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert files.cache_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", "a relative one, which counts for nothing")
    assert files.cache_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert files.cache_folder() == tmp_path / "messsim"
