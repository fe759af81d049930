"""Archives of arrays: what was saved is read; what would be larger than its file, or is no array, is refused."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rl_nas.array_files import read_arrays

ARRAYS: dict[str, Any] = {
    "floats": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
    "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
    "texts": np.array(["a", "bcd"]),
    "scalar": np.array(7, np.uint8),
    "empty": np.zeros([0, 3]),
    "a/b.json": np.frombuffer(b"{}", np.uint8),
}


def archive(**arrays: bytes) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        for name, one in arrays.items():
            file.writestr(f"{name}.npy", one)
    return content.getvalue()


def header_of(shape: tuple[int, ...]) -> bytes:
    """The header of an array of floats that has no values."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return header.getvalue()


def test_what_numpy_saves_is_read_as_numpy_does(tmp_path: Path) -> None:
    file, packed = tmp_path / "a.npz", tmp_path / "packed.npz"
    np.savez(file, **ARRAYS)
    np.savez_compressed(packed, **ARRAYS)
    for found in (read_arrays(file), read_arrays(file.read_bytes()), read_arrays(packed, 10_000)):
        assert found.keys() == ARRAYS.keys()
        for name, array in ARRAYS.items():
            assert found[name].dtype == array.dtype
            np.testing.assert_array_equal(found[name], array)
    assert read_arrays(file, names=["scalar"]) == {"scalar": 7}
    found["floats"][0, 0] = 3  # as arrays of NumPy's own reader, they can be changed


def test_archives_that_would_grow_are_refused(tmp_path: Path) -> None:
    """200 MB of zeros in 200 kB; and 400 MB in its declared shape alone."""
    file = tmp_path / "bomb.npz"
    np.savez_compressed(file, zeros=np.zeros(50_000_000, np.float32))
    assert file.stat().st_size < 10**6
    with pytest.raises(ValueError, match="without compression"):
        read_arrays(file)
    with pytest.raises(ValueError, match="arrays of 200,000,128 bytes in all; at most 1,000 are expected"):
        read_arrays(file, 1000)
    for shape in ((10**8,), (10**9, 10**9), (2**62, 4)):
        with pytest.raises(ValueError, match="array claims has the shape"):
            read_arrays(archive(claims=header_of(shape)), 10**9)


@pytest.mark.parametrize(
    "content", [b"", b"PK", archive(a=b""), archive(a=b"\x93NUMPY\x01\x00\xff\xff"), archive(a=b"\x93NUMPY\x09\x00")]
)
def test_what_is_no_archive_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_arrays(content, 1000)


def test_python_objects_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", objects=np.array([print], object))
    with pytest.raises(ValueError, match="array objects has Python objects"):
        read_arrays(tmp_path / "a.npz")


def test_empty_texts_count_though_they_have_no_bytes() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<U0", "fortran_order": False, "shape": (10**12,)})
    with pytest.raises(ValueError, match="has the shape"):
        read_arrays(archive(names=header.getvalue()), 10_000)
