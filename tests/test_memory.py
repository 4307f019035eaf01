from __future__ import annotations

from pathlib import Path

import pytest

from evscli import memory

KB = 1024


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 500 kB free and no limits."""
    monkeypatch.setattr(memory, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "OWN_GROUPS", tmp_path / "own")
    monkeypatch.setattr(memory, "CGROUPS", tmp_path / "cgroup")
    (tmp_path / "meminfo").write_text("MemTotal:  900 kB\nMemAvailable:  500 kB\n")
    return tmp_path


def group(folder: Path, limit: str, used: int, **stat: int) -> None:
    """Make a control group, of the first version where its folder is below `memory`."""
    first = "memory" in folder.parts
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"memory.{'limit_in_bytes' if first else 'max'}").write_text(f"{limit}\n")
    (folder / f"memory.{'usage_in_bytes' if first else 'current'}").write_text(f"{used}\n")
    lines = {"anon": 1, **stat}
    (folder / "memory.stat").write_text("".join(f"{k} {v}\n" for k, v in lines.items()))


def test_memory_is_what_the_machine_has_free(machine: Path) -> None:
    assert memory.free_memory() == 500 * KB
    (machine / "meminfo").unlink()
    assert memory.free_memory() is None


@pytest.mark.parametrize(
    ("limit", "free"), [("max", 500 * KB), (str(300 * KB), 210 * KB), (str(900 * KB), 500 * KB)]
)
def test_a_container_leaves_its_limit_less_what_is_used(
    machine: Path, limit: str, free: int
) -> None:
    (machine / "own").write_text("0::/\n")
    group(machine / "cgroup", limit, 100 * KB, inactive_file=10 * KB)
    assert memory.free_memory() == free


def test_every_group_around_this_one_counts(machine: Path) -> None:
    (machine / "own").write_text("0::/jobs/7\n")
    group(machine / "cgroup" / "jobs", str(50 * KB), 20 * KB)
    group(machine / "cgroup" / "jobs" / "7", str(100 * KB), 10 * KB)
    assert memory.free_memory() == 30 * KB
    group(machine / "cgroup" / "jobs" / "7", str(5 * KB), 10 * KB)
    assert memory.free_memory() == 0


def test_groups_of_the_first_version_are_known(machine: Path) -> None:
    (machine / "own").write_text("5:cpu:/x\n4:memory:/a\n0::/\n")
    group(machine / "cgroup" / "memory" / "a", str(100 * KB), 90 * KB, total_inactive_file=5 * KB)
    group(machine / "cgroup" / "memory", str(2**63 - 4096), 0)
    assert memory.free_memory() == 15 * KB


@pytest.mark.parametrize("key", ["VmData", "VmSize"])
def test_limits_of_the_process_itself_count(
    machine: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    limits = {memory.LIMITS[key]: 300 * KB}
    monkeypatch.setattr(memory, "OWN", machine / "status")
    monkeypatch.setattr(
        memory.resource, "getrlimit", lambda which: (limits.get(which, memory.INFINITE), 0)
    )
    (machine / "status").write_text(f"Name:\tpython\n{key}:\t   120 kB\nVmStk:\t 9 kB\n")
    assert memory.free_memory() == 180 * KB
    (machine / "status").write_text(f"{key}:\t   400 kB\n")
    assert memory.free_memory() == 0


def test_this_machine_says_what_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert (memory.free_memory() or 0) > 0
