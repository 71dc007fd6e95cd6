"""Process in place of the agent of Ray's dashboard: it does nothing, and ends with the raylet, its parent.

It is run as a file, without faceml and Ray, whose imports would take longer than all else.
"""

import os
import time

POLL_INTERVAL_S = 1.0

if __name__ == "__main__":
    parent = os.getppid()
    while os.getppid() == parent:
        time.sleep(POLL_INTERVAL_S)
