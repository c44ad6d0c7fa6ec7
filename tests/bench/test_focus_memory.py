"""The benchmark of the producer's memory: what the process published is what the file says."""

import pytest

from bench import focus_memory


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".csv.gz", ".parquet"])
def test_the_export_is_published_whole_by_a_process_of_its_own(embedded_kafka, tmp_path, ending):
    path = tmp_path / f"export{ending}"
    focus_memory.make_export(path, 1500)
    held = focus_memory.published(embedded_kafka.settings().kafka, path, 1500)
    assert held > 10


def test_a_missing_line_is_noticed(embedded_kafka, tmp_path):
    path = tmp_path / "export.csv.gz"
    focus_memory.make_export(path, 999)
    with pytest.raises(AssertionError, match="Kafka holds 999 lines"):
        focus_memory.published(embedded_kafka.settings().kafka, path, 1000)
