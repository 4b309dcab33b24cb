"""`stream-audit run` whose event loop stands still for a while when SIGHUP comes (Faust takes the other signals).

A signal's handler runs on the main thread, which is the loop's.
"""

import signal
import sys
import time

from worker.__main__ import main

STALL_S = 38.0

if __name__ == "__main__":
    signal.signal(signal.SIGHUP, lambda *_: time.sleep(STALL_S))
    sys.argv = ["stream-audit", "run"]
    main()
