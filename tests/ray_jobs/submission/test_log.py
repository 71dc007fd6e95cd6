"""Log of a job, followed through interrupted connections."""

import asyncio
import shlex
import sys
import threading
import time

import pytest
from ray.job_submission import JobStatus

from ray_jobs.submission import log as followed_log
from ray_jobs.submission.log import FollowedLog
from tests.head_node import HeadNode
from tests.tunnel import Tunnel

LINES = 150
COUNT = f"import time\nfor n in range({LINES}): print('line', n, flush=True); time.sleep(0.05)"


@pytest.mark.soak
@pytest.mark.parametrize("falls", ["cut", "silent"])
def test_follow__a_connection_that_is_lost_for_a_while_costs_no_line(
    falls: str, head: HeadNode, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connections end, or nothing comes through any more, while the job goes on."""
    monkeypatch.setattr(followed_log, "SILENCE_S", 1.0)
    with Tunnel(head.address) as tunnel:
        client = head.client(tunnel.address)
        job_id = client.submit_job(entrypoint=shlex.join([sys.executable, "-c", COUNT]))

        followed, ended = FollowedLog(client, job_id), threading.Event()

        def fall() -> None:
            while not followed._printed and not ended.is_set():
                time.sleep(0.05)
            before = tunnel.connections
            getattr(tunnel, falls)()
            # Until it has noticed; not for long, because it waits 30 s for an answer that was on its way.
            latest_s = time.monotonic() + 5.0
            while tunnel.connections == before and time.monotonic() < latest_s:
                time.sleep(0.05)
            tunnel.restore()

        falling = threading.Thread(target=fall)
        falling.start()
        details = asyncio.run(followed.follow())
        ended.set()
        falling.join()
    assert details.status == JobStatus.SUCCEEDED
    printed = [line for line in capsys.readouterr().out.splitlines() if line.startswith("line ")]
    assert printed == [f"line {n}" for n in range(LINES)]
    assert tunnel.connections > 3, "it was built again"
