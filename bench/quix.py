"""Quix Streams with state, over one-line events: the effective cost of each key and region, added up.

A program of its own, because Quix Streams needs another confluent-kafka than spendstream: it runs in the environment of
`requirements/bench.txt` and imports nothing of the project. The state is on disk (RocksDB) with its changelog topic, as
Quix has it by default. It stops after `count` lines and prints one JSON document: the seconds from the first line to
the last, and the cost by region. A state's value is a text, because Quix stores integers up to 64 bits only.
"""

import argparse
import io
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import fastavro
from quixstreams import Application, State


def main() -> None:
    """Run what the command line says: BOOTSTRAP TOPIC COUNT FOLDER."""
    parser = argparse.ArgumentParser()
    parser.add_argument("bootstrap")
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    schema: Any = fastavro.parse_schema(json.loads((Path(__file__).parent / "line.avsc").read_text()))
    sums: Counter[str] = Counter()
    times: list[float] = []
    seen = 0

    app = Application(
        given.bootstrap,
        consumer_group=f"{given.topic}-quix",
        auto_offset_reset="earliest",
        state_dir=given.folder,
        loglevel="WARNING",
    )

    def add(value: bytes, state: State) -> None:
        nonlocal seen
        if not seen:
            times.append(time.perf_counter())
        line: Any = fastavro.schemaless_reader(io.BytesIO(value), schema, None)
        region, cost = line["region"], int.from_bytes(line["effective"], "big", signed=True)
        state.set(region, str(int(state.get(region, "0")) + cost))
        sums[region] += cost
        seen += 1
        if seen == given.count:
            times.append(time.perf_counter())
            app.stop()

    topic = app.topic(given.topic, value_deserializer="bytes", key_deserializer="str")
    app.dataframe(topic).apply(add, stateful=True)
    app.run()
    sys.stdout.write(json.dumps({"seconds": times[1] - times[0], "effective": sums}) + "\n")


if __name__ == "__main__":
    main()
