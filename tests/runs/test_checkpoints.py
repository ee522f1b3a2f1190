import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trader.errors import TraderError
from trader.runs.checkpoints import checkpoint_steps, newest_checkpoint, read_checkpoint, step_name, write_checkpoint
from trader.runs.files import json_text, read_json, sealed, sha256_of, write_sealed_json
from trader.runs.pointers import point_to, pointed, prune
from trader.runs.state import read_state, write_state

Arrays = dict[str, np.ndarray]


def write_steps(folder: Path, arrays: Arrays, *steps: int) -> None:
    for step in steps:
        write_checkpoint(folder, step, arrays, {"step": step})


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path, arrays: Arrays) -> None:
    path = write_checkpoint(tmp_path, 25_000, arrays, {"best": 0.1, "key": 2**127, "none": None})
    loaded, meta = read_checkpoint(path)
    assert path == tmp_path / "step-000025000"
    assert meta == {"best": 0.1, "key": 2**127, "none": None}
    assert loaded.keys() == arrays.keys()
    for name, array in arrays.items():
        assert loaded[name].dtype == array.dtype
        assert loaded[name].shape == array.shape
        assert loaded[name].tobytes() == array.tobytes()


def test_a_prefix_reads_those_arrays_alone_but_verifies_all_of_the_file(tmp_path: Path, arrays: Arrays) -> None:
    path = write_checkpoint(tmp_path, 25_000, arrays, {})
    loaded, _ = read_checkpoint(path, "carry/")
    assert 0 < len(loaded) < len(arrays)
    assert loaded.keys() == {name for name in arrays if name.startswith("carry/")}
    state = path / "state.npz"
    state.write_bytes(state.read_bytes()[:-1] + b"x")
    with pytest.raises(TraderError, match="damaged"):
        read_checkpoint(path, "carry/")


def test_same_arrays_give_same_bytes_whatever_order_layout_and_time(
    tmp_path: Path, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_state(tmp_path / "a.npz", arrays)
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    shuffled = {name: np.array(arrays[name], order="F") for name in reversed(arrays)}
    write_state(tmp_path / "b.npz", shuffled)
    assert sha256_of(tmp_path / "a.npz") == sha256_of(tmp_path / "b.npz")


def test_one_changed_bit_in_an_array_changes_the_bytes(tmp_path: Path, arrays: Arrays) -> None:
    write_state(tmp_path / "a.npz", arrays)
    arrays["carry/key"][0] ^= 1
    write_state(tmp_path / "b.npz", arrays)
    assert sha256_of(tmp_path / "a.npz") != sha256_of(tmp_path / "b.npz")


def test_plain_numpy_can_open_the_state(tmp_path: Path, arrays: Arrays) -> None:
    write_state(tmp_path / "a.npz", arrays)
    with np.load(tmp_path / "a.npz", allow_pickle=False) as opened:
        assert sorted(opened.files) == sorted(arrays)


@pytest.mark.parametrize("array", [np.array([object()]), np.zeros(2, "V2"), np.zeros(2, [("a", "f4")])])
def test_arrays_that_need_pickle_or_lose_their_dtype_are_refused(tmp_path: Path, array: np.ndarray) -> None:
    with pytest.raises(ValueError, match="dtype"):
        write_state(tmp_path / "a.npz", {"x": array})


class Bomb:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple:
        return (os.mkdir, (str(self.marker),))


def test_a_pickled_array_with_a_fitting_digest_is_refused_and_does_not_run(tmp_path: Path, arrays: Arrays) -> None:
    path = write_checkpoint(tmp_path, 1, arrays, {})
    marker = tmp_path / "it-ran"
    planted = np.empty(1, dtype=object)
    planted[0] = Bomb(marker)
    np.savez(path / "state.npz", x=planted)
    manifest = read_json(path / "manifest.json")
    manifest["files"]["state.npz"]["sha256"] = sha256_of(path / "state.npz")
    write_sealed_json(path / "manifest.json", manifest)
    with pytest.raises(TraderError, match=r"state\.npz: cannot be read as arrays"):
        read_checkpoint(path)
    assert not marker.exists()
    with np.load(path / "state.npz", allow_pickle=True) as opened:
        assert opened["x"] is not None
    assert marker.exists()  # the planted file is one that does run where pickle is allowed


def test_compressed_arrays_are_refused(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "a.npz", x=np.zeros(1_000_000))
    with pytest.raises(TraderError, match="is compressed"):
        read_state(tmp_path / "a.npz")


def test_a_header_that_promises_more_than_memory_is_refused(tmp_path: Path) -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (9000000000000000,), }"
    header += b" " * (118 - len(header) - 1) + b"\n"
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("x.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
    with pytest.raises(TraderError, match="cannot be read as arrays"):
        read_state(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["state.npz", "manifest.json"])
def test_damage_at_any_of_fifty_offsets_is_refused_by_name_and_falls_back(
    tmp_path: Path, arrays: Arrays, name: str
) -> None:
    write_steps(tmp_path, arrays, 100, 200)
    victim = tmp_path / step_name(200) / name
    whole = victim.read_bytes()
    for offset in np.linspace(0, len(whole) - 1, 50).astype(int):
        flipped = whole[:offset] + bytes([whole[offset] ^ 0x10]) + whole[offset + 1 :]
        for damaged in (flipped, whole[:offset]):
            victim.write_bytes(damaged)
            with pytest.raises(TraderError, match=name.replace(".", r"\.")) as caught:
                read_checkpoint(victim.parent)
            assert len(str(caught.value).splitlines()) == 1
            found = newest_checkpoint(tmp_path)
            assert found is not None
            assert found.step == 100
            assert name in found.notes[0]
    victim.write_bytes(whole)
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert (found.step, found.notes) == (200, [])


@pytest.mark.parametrize("name", ["state.npz", "manifest.json"])
def test_a_missing_file_is_refused_by_name(tmp_path: Path, arrays: Arrays, name: str) -> None:
    write_steps(tmp_path, arrays, 100, 200)
    (tmp_path / step_name(200) / name).unlink()
    with pytest.raises(TraderError, match=name):
        read_checkpoint(tmp_path / step_name(200))
    found = newest_checkpoint(tmp_path)
    assert found is not None
    assert found.step == 100


@pytest.mark.parametrize("entry", ["../outside", "/etc/passwd", "a\0b", "link"])
def test_manifest_entries_that_leave_the_checkpoint_are_refused(tmp_path: Path, arrays: Arrays, entry: str) -> None:
    path = write_checkpoint(tmp_path, 1, arrays, {})
    (tmp_path / "outside").write_text("x")
    (path / "link").symlink_to(tmp_path / "outside")
    manifest = read_json(path / "manifest.json")
    manifest["files"][entry] = {"sha256": sha256_of(tmp_path / "outside")}
    (path / "manifest.json").write_text(json_text(sealed(manifest)))
    with pytest.raises(TraderError, match=r"must stay inside|symbolic link"):
        read_checkpoint(path)


def test_a_link_in_place_of_a_checkpoint_or_of_its_state_is_refused(tmp_path: Path, arrays: Arrays) -> None:
    path = write_checkpoint(tmp_path / "a", 1, arrays, {})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / step_name(1)).symlink_to(path)
    with pytest.raises(TraderError, match="no such checkpoint"):
        read_checkpoint(tmp_path / "b" / step_name(1))
    shutil.move(path / "state.npz", tmp_path / "state.npz")
    (path / "state.npz").symlink_to(tmp_path / "state.npz")
    with pytest.raises(TraderError, match="symbolic link"):
        read_checkpoint(path)


def test_a_checkpoint_renamed_to_another_step_is_refused(tmp_path: Path, arrays: Arrays) -> None:
    write_checkpoint(tmp_path, 1, arrays, {}).rename(tmp_path / step_name(2))
    with pytest.raises(TraderError, match="says step 1, its folder says 2"):
        read_checkpoint(tmp_path / step_name(2))


def test_no_checkpoint_is_none_and_only_damaged_ones_is_an_error(tmp_path: Path, arrays: Arrays) -> None:
    assert newest_checkpoint(tmp_path / "absent") is None
    path = write_checkpoint(tmp_path, 1, arrays, {})
    (path / "state.npz").write_bytes(b"")
    with pytest.raises(TraderError, match="all 1 checkpoints are damaged"):
        newest_checkpoint(tmp_path)


def test_the_same_step_again_is_kept_another_content_is_refused_damage_is_replaced(
    tmp_path: Path, arrays: Arrays
) -> None:
    path = write_checkpoint(tmp_path, 1, arrays, {"a": 1})
    inode = (path / "state.npz").stat().st_ino
    write_checkpoint(tmp_path, 1, arrays, {"a": 1})
    assert (path / "state.npz").stat().st_ino == inode
    with pytest.raises(TraderError, match="never overwritten"):
        write_checkpoint(tmp_path, 1, {"x": np.zeros(1)}, {"a": 1})
    assert read_checkpoint(path)[1] == {"a": 1}
    (path / "state.npz").write_bytes(b"damaged")
    write_checkpoint(tmp_path, 1, arrays, {"a": 1})
    assert read_checkpoint(path)[1] == {"a": 1}
    assert sorted(p.name for p in tmp_path.iterdir()) == [step_name(1), f"{step_name(1)}.damaged"]


def test_a_failing_write_leaves_the_old_checkpoint_and_no_half_folder(
    tmp_path: Path, arrays: Arrays, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_steps(tmp_path, arrays, 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_checkpoint(tmp_path, 2, arrays, {"a": float("inf")})

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(TraderError, match="cannot write: No space left on device"):
        write_checkpoint(tmp_path, 2, arrays, {})
    assert [path.name for path in tmp_path.iterdir()] == [step_name(1)]


def test_a_read_only_folder_is_one_clear_line(read_only: Path, arrays: Arrays) -> None:
    with pytest.raises(TraderError, match="cannot write: Permission denied"):
        write_checkpoint(read_only, 1, arrays, {})


def test_leftovers_are_ignored_and_no_obstacle(tmp_path: Path, arrays: Arrays) -> None:
    write_steps(tmp_path, arrays, 1)
    (tmp_path / "step-000000002.tmp").mkdir()
    (tmp_path / "step-000000002.tmp" / "state.npz").write_bytes(b"half")
    (tmp_path / ".best.json.0a1b2c3d.tmp").write_text("half")
    assert checkpoint_steps(tmp_path) == [1]
    write_steps(tmp_path, arrays, 2)  # a leftover of the same step is no obstacle
    assert checkpoint_steps(tmp_path) == [1, 2]


def test_pointers_say_step_and_score_and_refuse_what_is_gone(tmp_path: Path, arrays: Arrays) -> None:
    write_steps(tmp_path, arrays, 1, 2)
    assert pointed(tmp_path, "best") is None
    point_to(tmp_path, "best", 1, {"score": 0.25})
    point_to(tmp_path, "best", 2, {"score": 0.5})
    found = pointed(tmp_path, "best")
    assert found is not None
    assert (found.step, found.extra, found.path) == (2, {"score": 0.5}, tmp_path / step_name(2))
    shutil.rmtree(tmp_path / step_name(2))
    with pytest.raises(TraderError, match=r"best\.json: points to step 2"):
        pointed(tmp_path, "best")


@pytest.mark.parametrize("entry", ["../step-000000001", "/step-000000001", "step-000000002", "step-1", 7])
def test_a_pointer_to_somewhere_else_is_refused(tmp_path: Path, arrays: Arrays, entry: object) -> None:
    write_steps(tmp_path, arrays, 1)
    (tmp_path / "last.json").write_text(json_text({"step": 1, "checkpoint": entry}))
    with pytest.raises(TraderError, match=r"last\.json"):
        pointed(tmp_path, "last")


def test_pointing_to_a_step_never_written_is_our_mistake(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="to point to"):
        point_to(tmp_path, "best", 1, {})


@settings(max_examples=25, deadline=None)
@given(
    steps=st.sets(st.integers(1, 9), min_size=1), keep=st.integers(1, 4), best=st.integers(0, 8), last=st.integers(0, 8)
)
def test_prune_keeps_best_last_and_the_newest(
    tmp_path_factory: pytest.TempPathFactory, steps: set[int], keep: int, best: int, last: int
) -> None:
    folder = tmp_path_factory.mktemp("prune")
    ordered = sorted(steps)
    write_steps(folder, {"x": np.zeros(1)}, *ordered)
    chosen = {"best": ordered[best % len(ordered)], "last": ordered[last % len(ordered)]}
    for kind, step in chosen.items():
        point_to(folder, kind, step, {})
    removed = prune(folder, keep)
    assert checkpoint_steps(folder) == sorted({*ordered[-keep:], *chosen.values()})
    assert sorted([*removed, *checkpoint_steps(folder)]) == ordered
    assert prune(folder, keep) == []


def test_prune_removes_nothing_while_the_newest_is_damaged(tmp_path: Path, arrays: Arrays) -> None:
    write_steps(tmp_path, arrays, 1, 2, 3)
    (tmp_path / step_name(3) / "state.npz").write_bytes(b"")
    assert prune(tmp_path, 1) == []
    assert checkpoint_steps(tmp_path) == [1, 2, 3]


def test_prune_removes_nothing_while_best_cannot_be_read(tmp_path: Path, arrays: Arrays) -> None:
    write_steps(tmp_path, arrays, 1, 2, 3)
    (tmp_path / "best.json").write_text("{")
    with pytest.raises(TraderError, match=r"best\.json"):
        prune(tmp_path, 1)
    assert checkpoint_steps(tmp_path) == [1, 2, 3]
