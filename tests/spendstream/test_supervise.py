"""Services end with the process that started them, however that one ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PARENT = """
import sys, time
from spendstream.supervise import start_service
child = start_service(["api"], {"SPENDSTREAM_API__PORT": "0"})
print(child.pid, flush=True)
time.sleep(600)
"""


def is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"


def test_a_killed_parent_leaves_no_service_behind():
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_there(child)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while is_there(child):
        assert time.monotonic() < deadline, "the service is still there"
        time.sleep(0.1)
