"""A server that plays AWS, for tests of channels."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import requests
from moto.server import ThreadedMotoServer

REGION = "us-east-1"


@contextmanager
def played_aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Give the address of moto's server, with credentials for it in the environment."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    server = ThreadedMotoServer(port=0)
    server.start()
    address = f"http://127.0.0.1:{server.get_host_and_port()[1]}"
    try:
        # What it knows is kept by the process, not by the server.
        requests.post(f"{address}/moto-api/reset", timeout=10).raise_for_status()
        yield address
    finally:
        server.stop()
