"""Files that are whole or not there, whatever happens while they are written."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys

import pytest

from cotdemo.files import whole_file, write_text

_KILLED = """
import os, sys
from cotdemo.files import whole_file

with whole_file(sys.argv[1], "w") as file:
    file.write("new" * 100_000)
    file.flush()
    os.kill(os.getpid(), 9)
"""


def test_what_is_written_is_there_and_nothing_else(tmp_path):
    for text in ("first", "second"):
        write_text(tmp_path / "a.txt", text)
    assert (tmp_path / "a.txt").read_text() == "second" and os.listdir(tmp_path) == ["a.txt"]


def test_a_failure_in_the_middle_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "a.txt", "before")
    with pytest.raises(ZeroDivisionError), whole_file(tmp_path / "a.txt", "w") as file:
        file.write("half")
        file.flush()
        assert (tmp_path / "a.txt").read_text() == "before"
        raise ZeroDivisionError
    assert (tmp_path / "a.txt").read_text() == "before" and os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal here")
def test_a_kill_in_the_middle_leaves_what_was_there(tmp_path):
    write_text(tmp_path / "a.txt", "before")
    ended = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path / "a.txt")])
    assert ended.returncode == -signal.SIGKILL and (tmp_path / "a.txt").read_text() == "before"


def test_a_full_disk_leaves_what_was_there_and_names_the_file(tmp_path, monkeypatch):
    write_text(tmp_path / "a.txt", "before")

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as raised:
        write_text(tmp_path / "a.txt", "after")
    assert raised.value.filename == str(tmp_path / "a.txt") and raised.value.errno == errno.ENOSPC
    assert (tmp_path / "a.txt").read_text() == "before" and os.listdir(tmp_path) == ["a.txt"]


def test_a_link_stays_one_and_a_pipe_is_written_to(tmp_path):
    write_text(tmp_path / "a.txt", "before")
    (tmp_path / "link").symlink_to(tmp_path / "a.txt")
    write_text(tmp_path / "link", "after")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "a.txt").read_text() == "after"
    write_text(os.devnull, "nothing")
    assert not os.path.isfile(os.devnull)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as raised:
        write_text(tmp_path / "no" / "a.txt", "text")
    assert raised.value.filename == str(tmp_path / "no" / "a.txt")
