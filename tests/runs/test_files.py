import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from trader.errors import TraderError
from trader.runs.files import (
    make_folder,
    read_json,
    read_sealed_json,
    safe_join,
    safe_name,
    sha256_of,
    write_json_atomic,
    write_sealed_json,
    write_text_atomic,
)

OUTSIDE = ["../x", "a/../../x", "/etc/passwd", "a\0b", "", ".", "a//b", "a/./b", "..", "a\\..\\b"]


@pytest.mark.parametrize("entry", OUTSIDE)
def test_paths_that_leave_the_folder_are_refused_in_one_line(tmp_path: Path, entry: str) -> None:
    with pytest.raises(TraderError, match="must stay inside") as caught:
        safe_join(tmp_path, entry)
    assert len(str(caught.value).splitlines()) == 1


def test_a_plain_path_below_the_folder_is_allowed(tmp_path: Path) -> None:
    assert safe_join(tmp_path, "seed-0/metrics.csv") == tmp_path / "seed-0" / "metrics.csv"


@pytest.mark.parametrize("target", ["/etc", "inside", "nowhere"])
def test_symbolic_links_on_the_way_are_refused(tmp_path: Path, target: str) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(TraderError, match="symbolic link"):
        safe_join(tmp_path, "link/passwd")


@pytest.mark.parametrize("name", ["../x", "/tmp/x", "a\0b", "", ".", "..", ".hidden", "a/b", "-x", "x" * 81, "ä"])
def test_run_names_that_are_no_plain_folder_name_are_refused(name: str) -> None:
    with pytest.raises(TraderError, match="run name"):
        safe_name(name)


def test_atomic_write_replaces_a_planted_link_instead_of_following_it(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "file").symlink_to(victim)
    write_text_atomic(tmp_path / "file", "new")
    assert victim.read_text() == "mine"
    assert (tmp_path / "file").read_text() == "new"
    assert not (tmp_path / "file").is_symlink()


def test_a_read_only_folder_is_one_clear_line(read_only: Path) -> None:
    with pytest.raises(TraderError, match=r"report\.json: cannot write: Permission denied"):
        write_json_atomic(read_only / "report.json", {"a": 1})
    with pytest.raises(TraderError, match="cannot write: Permission denied"):
        make_folder(read_only / "runs" / "x")


def test_a_full_disk_leaves_the_old_file_and_no_neighbour(tmp_path: Path) -> None:
    write_text_atomic(tmp_path / "file", "old")
    program = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from trader.errors import TraderError\n"
        "from trader.runs.files import write_text_atomic\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, (1000, {resource.RLIM_INFINITY}))\n"
        "try:\n    write_text_atomic(Path(sys.argv[1]), 'x' * 5000)\n"
        "except TraderError as error:\n    print(error)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "file")], capture_output=True, text=True, check=True
    )
    assert "cannot write: File too large" in answer.stdout
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


@pytest.mark.parametrize(
    "content", ["{", '{"a": NaN}', '{"a": -Infinity}', '{"a": 1, "a": 2}', "[1]", "\xff", "[" * 9999]
)
def test_what_is_not_strict_json_is_refused_with_the_file_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "x.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(TraderError, match=r"x\.json: ") as caught:
        read_json(tmp_path / "x.json")
    assert len(str(caught.value).splitlines()) == 1


def test_nan_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json_atomic(tmp_path / "x.json", {"a": float("nan")})


def test_sealed_json_refuses_every_single_changed_byte(tmp_path: Path) -> None:
    path = tmp_path / "manifest.json"
    write_sealed_json(path, {"name": "größe", "step": 3, "rate": 1e-4})
    whole = path.read_bytes()
    assert read_sealed_json(path)["name"] == "größe"
    for offset in range(len(whole)):
        for flip in (0x01, 0x29, 0x80):
            path.write_bytes(whole[:offset] + bytes([whole[offset] ^ flip]) + whole[offset + 1 :])
            with pytest.raises(TraderError, match=r"manifest\.json"):
                read_sealed_json(path)
        path.write_bytes(whole[:offset])
        with pytest.raises(TraderError, match=r"manifest\.json"):
            read_sealed_json(path)


def test_sha256_is_the_published_one_of_abc(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
