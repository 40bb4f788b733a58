"""A small process that outlives a driver by a moment, to clear up after one that was killed.

It reads from a pipe which processes there are, one word and one number a line: ``add PGID``, ``del PGID``. When the
pipe closes without ``done`` before, the driver is gone: every process group still listed is killed, grandchildren
included, and the folder named on the command line is removed. Its text is all that
its process is given, so it imports nothing of this package.
"""

import contextlib
import os
import shutil
import signal
import sys


def main(folder: str, *first: str) -> None:
    """Watch standard input, then clear up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    groups = {int(number) for number in first}
    for line in sys.stdin:
        word, _, number = line.strip().partition(" ")
        if word == "add":
            groups.add(int(number))
        elif word == "del":
            groups.discard(int(number))
        elif word == "done":
            return
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
