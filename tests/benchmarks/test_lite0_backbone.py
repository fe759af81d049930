"""EfficientNet-Lite0 and files of torch, read without torch."""

import io
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rl_nas.errors import RunError, StorageError, UsageError
from rl_nas.exit_codes import WRONG_USE

FOLDER = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(name="script")
def _script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(FOLDER)
    import lite0_backbone

    return lite0_backbone


def tensor(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Any:
    """A view of six numbers; the benchmarks have to be on the path."""
    import torch_file

    return torch_file._Tensor(torch_file._Storage("0", "<f4", 6), offset, shape, strides)


def saved(path: Path, tensors: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Writes arrays, views among them, as torch before 1.6 does: the bases, and where in these they are."""
    torch, utils = ModuleType("torch"), ModuleType("torch._utils")

    def rebuild(*_: Any) -> None: ...

    rebuild.__module__, rebuild.__qualname__ = utils.__name__, "_rebuild_tensor_v2"
    kinds = {name: type(name, (), {"__module__": "torch"}) for name in ("FloatStorage", "LongStorage")}
    vars(torch).update(kinds)
    vars(utils)["_rebuild_tensor_v2"] = rebuild
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", utils)
    bases = {name: tensor if tensor.base is None else tensor.base for name, tensor in tensors.items()}

    class Saved(SimpleNamespace):
        def __reduce__(self) -> Any:
            return rebuild, (self.storage, self.offset, self.shape, self.strides, False, OrderedDict())

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> Any:
            if not isinstance(obj, np.ndarray):
                return None
            kind = kinds["FloatStorage" if obj.dtype == np.float32 else "LongStorage"]
            return ("storage", kind, str(id(obj)), "cpu", obj.size, None)

    def view(name: str) -> Saved:
        tensor, base = tensors[name], bases[name]
        offset = tensor.__array_interface__["data"][0] - base.__array_interface__["data"][0]
        size = tensor.itemsize
        return Saved(
            storage=base, offset=offset // size, shape=tensor.shape, strides=tuple(s // size for s in tensor.strides)
        )

    with path.open("wb") as file:
        for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}):
            pickle.dump(value, file, protocol=2)
        Pickler(file, protocol=2).dump(OrderedDict((name, view(name)) for name in tensors))
        storages = {str(id(base)): base for base in bases.values()}
        pickle.dump(list(storages), file, protocol=2)
        for base in storages.values():
            file.write(base.size.to_bytes(8, "little") + base.tobytes())
    return path


def test_tensors_are_those_that_were_saved(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = np.random.default_rng(0).normal(size=60).astype(np.float32)
    count = np.array(7)
    tensors = {"one": base[:24].reshape(2, 3, 4).T, "other": base[10:31:4], "count": count}
    found = script.read_tensors(saved(tmp_path / "some.pth", tensors, monkeypatch))
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name], tensor)
        assert found[name].dtype == tensor.dtype


def test_nothing_in_a_file_is_executed(script: Any, tmp_path: Path) -> None:
    class Hostile:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "made"),)

    head = io.BytesIO()
    for value in (0x1950A86A20F9469CFC6C, 1001, {}, Hostile()):
        pickle.dump(value, head, protocol=2)
    path = tmp_path / "hostile.pth"
    for data in (head.getvalue(), pickle.dumps(Hostile())):
        path.write_bytes(data)
        with pytest.raises(UsageError, match="mkdir, which is no part of a tensor; expected tensors saved by torch"):
            script.read_tensors(path)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("change", [lambda data: data[:-8], lambda data: b"", lambda data: b"PK" + data])
def test_other_files_are_refused(change: Any, script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "some.pth", {"one": np.ones(3, np.float32)}, monkeypatch)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(UsageError, match="cannot be read"):
        script.read_tensors(path)


@pytest.mark.parametrize("shape", [(7,), (10**6, 10**6), (-1, 7), (-(10**6), -(10**6)), (10**12, 0)])
def test_a_tensor_of_more_elements_than_its_storage_is_refused(script: Any, shape: tuple[int, ...]) -> None:
    """Without strides even six numbers would fill any memory."""
    with pytest.raises(ValueError, match="more elements than its storage"):
        tensor(shape, (0,) * len(shape)).of(np.arange(6.0))


def test_many_tensors_of_one_storage_are_refused(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = np.arange(6, dtype=np.float32)
    path = saved(tmp_path / "some.pth", {"one": base[:], "other": base[:]}, monkeypatch)
    with pytest.raises(UsageError, match="more elements than it holds"):
        script.read_tensors(path)


def test_a_storage_larger_than_the_file_takes_no_memory(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    size, claimed = 1234567, 2**31 - 1
    path = saved(tmp_path / "some.pth", {"one": np.zeros(size, np.float32)}, monkeypatch)
    pickled, counted = (pickle.BININT + size.to_bytes(4, "little"), size.to_bytes(8, "little"))
    data = path.read_bytes().replace(counted, claimed.to_bytes(8, "little"))
    path.write_bytes(data.replace(pickled, pickle.BININT + claimed.to_bytes(4, "little")))
    with pytest.raises(UsageError, match="a storage is larger than the file"):
        script.read_tensors(path)


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("lite0.h5", "expected a file whose name ends with .keras"),
        ("folder.keras", "expected a file whose name ends with .keras"),
        ("missing/lite0.keras", "missing is no folder that can be written to"),
        ("file/lite0.keras", "file is no folder that can be written to"),
    ],
)
def test_where_to_write_is_checked_first(
    out: str, message: str, script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the weights, which are not there."""
    (tmp_path / "folder.keras").mkdir()
    (tmp_path / "file").touch()
    assert script.main([f"--weights={tmp_path / 'none.pth'}", f"--out={tmp_path / out}"]) == WRONG_USE
    assert message in capsys.readouterr().err


def test_a_file_is_there_whole_or_as_before(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "lite0.keras"
    out.write_bytes(b"earlier")

    def save(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    networks = SimpleNamespace(save=save), SimpleNamespace(count_params=lambda: script.PARAMETERS)
    monkeypatch.setattr(script, "lite0", lambda: networks)
    monkeypatch.setattr(script, "load", lambda *_: None)
    monkeypatch.setattr(script, "_PHOTOS", {})
    with pytest.raises(StorageError, match=r"lite0\.keras: No space left"):
        list(script._rows({}, out))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"lite0.keras": b"earlier"}


def test_a_view_beyond_its_numbers_is_refused(script: Any) -> None:
    for offset, shape, strides in ((1, (2, 3), (3, 1)), (-1, (2,), (1,)), (0, (3,), (-1,))):
        with pytest.raises(ValueError, match="beyond"):
            tensor(shape, strides, offset).of(np.arange(6.0))


@pytest.mark.slow
def test_lite0_is_the_published_network(script: Any) -> None:
    """4.65 million trainable parameters, and block outputs of 16, 24, 40, 112 and 320 channels."""
    features, classifier = script.lite0()
    assert classifier.count_params() == script.PARAMETERS
    trainable = sum(int(np.prod(variable.shape)) for variable in classifier.trainable_variables)
    assert round(trainable / 1e6, 2) == 4.65
    found = features(np.zeros((1, 64, 96, 3), np.float32))
    assert {name: tuple(x.shape[1:]) for name, x in found.items()} == {
        f"stride_{2**n}": (64 // 2**n, 96 // 2**n, channels) for n, channels in enumerate((16, 24, 40, 112, 320), 1)
    }
    with pytest.raises(RunError, match=r"the file lacks _conv_stem\.weight"):
        script.load(classifier, {})
