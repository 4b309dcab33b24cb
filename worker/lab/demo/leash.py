"""The demo's worker on a leash: `python -m worker.lab.demo.leash run` runs the worker so that it cannot be orphaned.

Its standard input is a pipe that the demo holds open. However the demo ends, the pipe closes, and the worker leaves.
A demo that ends in order stops the worker first. Otherwise its broker is gone with it, and nothing could be flushed.
"""

import os
import runpy
import threading

STDIN, STDERR = 0, 2


def _watch() -> None:
    while os.read(STDIN, 1024):
        pass  # the demo writes nothing
    # In one piece: a line of the log would come between the text and its end.
    os.write(STDERR, b"the demo that started this worker has ended, and its broker with it\n")
    os._exit(1)


def main() -> None:
    """Run the command line of the worker until it ends or standard input does."""
    threading.Thread(target=_watch, name="leash", daemon=True).start()
    runpy.run_module("worker", run_name="__main__")


if __name__ == "__main__":
    main()
