"""Run one piece of work in a fresh process and measure it: the one place where benchmarks do so.

A script hands a plain dict to `run`; the same or another script, started anew by any interpreter,
receives it through `serve` and hands a plain dict back. The peak memory is the high-water mark of
the child's own pages, watched from outside, so that it is known for a killed child too.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

#: What tells `serve` that a script was started by `run`.
MARK = "--fresh"
#: Seconds between two looks at a child.
LOOK_S = 0.02


class Clock:
    """Wall and CPU seconds of this process since the clock was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def wall_s(self) -> float:
        return time.perf_counter() - self.wall

    def cpu_s(self) -> float:
        return time.process_time() - self.cpu


def peak_mib(pid: int | str = "self") -> float:
    """Return the high-water mark of the memory of a process, 0 where it cannot be read.

    Not ``ru_maxrss``: a child inherits there the peak of the process that started it.
    """
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        if pid != "self":
            return 0.0
        scale = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a running process has used, 0 where they cannot be read."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def busy_s() -> float:
    """Return the CPU seconds all processes of this machine have used, nan where unknown."""
    try:
        first = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()
    except OSError:
        return float("nan")
    user, nice, system = (int(v) for v in first[1:4])
    return (user + nice + system) / os.sysconf("SC_CLK_TCK")


def memory_mib() -> float:
    """Return the memory of this machine."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**20


def run(
    script: Path | str,
    spec: dict,
    *,
    python: str = sys.executable,
    kill_s: float = 3600.0,
    kill_cpu_s: float = float("inf"),
    threads: int = 2,
    memory_mib: float | None = None,
) -> dict:
    """Start `script` anew with `spec`; return its reply with what was measured.

    Returns
    -------
    dict
        The reply (``error`` where there is none) and ``process_wall_s``, ``process_cpu_s`` (the
        child and what it waited for), ``peak_mib``, ``load`` (1-minute average at the end) and
        ``others`` (cores that all other processes used meanwhile).
    """
    with tempfile.TemporaryDirectory() as folder:
        asked, told = Path(folder, "spec.json"), Path(folder, "reply.json")
        more = {"memory_mib": memory_mib, "began": time.time()}
        asked.write_text(json.dumps({**spec, **more}), encoding="utf-8")
        count = str(threads)
        names = ("GROUNDPLAN_THREADS", "OMP_NUM_THREADS", "NUMBA_NUM_THREADS")
        names += ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        before, began = busy_s(), time.perf_counter()
        with Path(folder, "out").open("wb") as out, Path(folder, "err").open("wb") as err:
            child = subprocess.Popen(
                [python, str(script), MARK, str(asked), str(told)],
                stdout=out, stderr=err, start_new_session=True,
                env={**os.environ, **dict.fromkeys(names, count)},
            )  # fmt: skip
        peak, killed = 0.0, ""
        while True:
            peak = max(peak, peak_mib(child.pid))
            done, status, usage = os.wait4(child.pid, os.WNOHANG)
            if done:
                break
            late = f"{kill_s:g} s" if time.perf_counter() - began > kill_s else ""
            late = f"{kill_cpu_s:g} CPU s" if cpu_s(child.pid) > kill_cpu_s else late
            if late and not killed:
                child.kill()
                killed = late
            time.sleep(LOOK_S)
        child.returncode = os.waitstatus_to_exitcode(status)
        wall, cpu = time.perf_counter() - began, usage.ru_utime + usage.ru_stime
        if told.exists():
            reply = json.loads(told.read_text(encoding="utf-8"))
        elif killed:
            reply = {"error": f"nothing by {killed}, killed"}
        else:
            lines = Path(folder, "err").read_text(errors="replace").strip().splitlines()
            reply = {"error": f"ended with {child.returncode}: {lines[-1] if lines else 'no word'}"}
    return {
        **reply,
        "process_wall_s": wall,
        "process_cpu_s": cpu,
        "peak_mib": max(peak, reply.get("peak_mib", 0.0)),
        "load": os.getloadavg()[0],
        "others": max(0.0, busy_s() - before - cpu) / wall,
    }


def is_child() -> bool:
    """Return whether this process was started by `run`."""
    return len(sys.argv) == 4 and sys.argv[1] == MARK


def serve(work) -> None:
    """In the child: call ``work(spec)`` and hand its dict back, an exception as ``error``."""
    asked, told = Path(sys.argv[2]), Path(sys.argv[3])
    spec = json.loads(asked.read_text(encoding="utf-8"))
    if spec.get("memory_mib"):
        most = int(spec["memory_mib"] * 2**20)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        reply = work(spec)
    except Exception as error:  # noqa: BLE001 - the parent prints it in the table
        traceback.print_exc()
        reply = {"error": f"{type(error).__name__}: {error}".strip().splitlines()[0][:200]}
    if "peak_mib" not in reply:
        reply["peak_mib"] = peak_mib()
    ready = told.with_suffix(".part")
    ready.write_text(json.dumps(reply, default=float), encoding="utf-8")
    ready.rename(told)
