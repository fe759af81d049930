"""Files that may be a stranger's: what is no regular file, or too large, is refused before it is read."""

import os
from pathlib import Path

import pytest

from rl_nas.regular_files import check_regular, read_regular, read_regular_text


def test_pipes_devices_and_folders_are_refused_without_being_opened(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)  # to open it would wait for a writer for ever
    link.symlink_to(pipe)
    for path, message in ((pipe, "a pipe"), (link, "a pipe"), (Path("/dev/zero"), "a device"), (tmp_path, "directory")):
        with pytest.raises(OSError, match=message):
            read_regular(path, 10)


def test_the_size_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"0123456789")
    assert read_regular(file, 10) == b"0123456789"
    with pytest.raises(OSError, match="has 10 bytes; expected at most 9"):
        check_regular(file, 9)
    with pytest.raises(OSError, match="more than 9 bytes"):  # its size is told as 0
        read_regular(Path("/proc/self/maps"), 9)
    with pytest.raises(FileNotFoundError):
        check_regular(tmp_path / "absent", 9)


def test_texts_are_read_as_python_does(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes("\ufeffä\r\nb\rc\n".encode())
    assert read_regular_text(file) == file.read_text(encoding="utf-8-sig") == "ä\nb\nc\n"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(UnicodeDecodeError):
        read_regular_text(file)
