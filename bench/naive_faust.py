"""An ordinary Faust application over one-line events: the effective cost of each key and region, in a table.

It is written as Faust's own guide does it: an agent that takes event after event and adds to a table, which lies in
RocksDB on disk and has a changelog topic. It stops after `count` lines and prints one JSON document: the seconds from
the first line to the last, and the cost by region.
"""

import argparse
import io
import json
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import fastavro
import faust

from bench.lines import PARTITIONS, SCHEMA


def application(bootstrap: str, topic: str, count: int, folder: Path) -> faust.App:
    """Return the application."""
    app = faust.App(
        f"{topic}-faust",
        broker=f"kafka://{bootstrap}",
        store="rocksdb://",
        datadir=str(folder),
        topic_partitions=PARTITIONS,
        web_enabled=False,
        processing_guarantee="at_least_once",
    )
    lines = app.topic(topic, value_type=bytes, value_serializer="raw", key_type=bytes, key_serializer="raw")
    costs = app.Table("costs", default=int, partitions=PARTITIONS)
    schema: Any = fastavro.parse_schema(json.loads(SCHEMA.read_text()))
    sums: Counter[str] = Counter()

    @app.agent(lines)
    async def add(stream: Any) -> None:  # noqa: ANN401 - Faust is not typed
        seen, began = 0, 0.0
        async for key, value in stream.items():
            if not seen:
                began = time.perf_counter()
            line: Any = fastavro.schemaless_reader(io.BytesIO(value), schema, None)
            region, cost = line["region"], int.from_bytes(line["effective"], "big", signed=True)
            costs[f"{key.decode()}/{region}"] += cost
            sums[region] += cost
            seen += 1
            if seen == count:
                said = {"seconds": time.perf_counter() - began, "effective": sums}
                sys.stdout.write(json.dumps(said) + "\n")
                sys.stdout.flush()
                os._exit(0)

    return app


def main() -> None:
    """Run what the command line says: BOOTSTRAP TOPIC COUNT FOLDER; until it is ended."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    app = application(given.bootstrap, given.topic, given.count, given.folder)
    # Faust would log what is printed.
    faust.Worker(app, loglevel="WARNING", redirect_stdouts=False).execute_from_commandline()


if __name__ == "__main__":
    main()
