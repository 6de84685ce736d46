"""What a benchmark starts ends with it, also when it is killed."""

import subprocess
import sys
import time
from pathlib import Path

from routing.bench.site import ROOT

_BENCH = """
import sys, time
from pathlib import Path
from routing.bench.site import process
with process(["-c", "import time; time.sleep(60)"], Path(sys.argv[1]), 0) as pid:
    print(pid, flush=True)
    time.sleep(60)
"""


def test_a_killed_benchmark_leaves_nothing_running(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _BENCH, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as bench:
        assert bench.stdout is not None
        started = Path("/proc") / bench.stdout.readline().strip()
        assert started.is_dir()
        bench.kill()
    until = time.monotonic() + 20
    while _lives(started) and time.monotonic() < until:
        time.sleep(0.01)
    assert not _lives(started)


def _lives(process: Path) -> bool:
    """It is there, and is no zombie that waits for somebody to ask."""
    try:
        return (process / "stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
