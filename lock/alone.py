"""Run a command under a lock, so that two `make` in this checkout do not install at once.

Needs only Python, because it runs before packages are installed.
"""

import fcntl
import subprocess
import sys
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / ".make.lock"


def main() -> int:
    with FILE.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another make installs in this folder; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return subprocess.run(sys.argv[1:], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
