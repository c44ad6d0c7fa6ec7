"""librdkafka's mock cluster, by its own C interface: confluent-kafka can make one, and set nothing of it.

What has to be set: a new consumer group waits three seconds for more members, and here each has one.
"""

import ctypes
import ctypes.util
from pathlib import Path

import confluent_kafka

_PRODUCER = 0
_NO_ERRORS_IN_LOG = 3


class MockCluster:
    """A cluster of one broker in this process.

    Attributes
    ----------
    bootstrap
        Its address, for clients.

    Raises
    ------
    OSError
        When librdkafka is not where confluent-kafka's wheels put it, nor installed.
    """

    def __init__(self) -> None:
        self._library = _library()
        configuration = self._library.rd_kafka_conf_new()
        trouble = ctypes.create_string_buffer(512)
        self._library.rd_kafka_conf_set(configuration, b"log_level", b"%d" % _NO_ERRORS_IN_LOG, trouble, len(trouble))
        self._client = self._library.rd_kafka_new(_PRODUCER, configuration, trouble, len(trouble))
        if not self._client:
            raise OSError(f"the embedded broker cannot start: {trouble.value.decode()}")
        self._cluster = self._library.rd_kafka_mock_cluster_new(self._client, 1)
        self._library.rd_kafka_mock_group_initial_rebalance_delay_ms(self._cluster, 0)
        self.bootstrap: str = self._library.rd_kafka_mock_cluster_bootstraps(self._cluster).decode()

    def close(self) -> None:
        """End it; a second time does nothing."""
        if self._cluster:
            self._library.rd_kafka_mock_cluster_destroy(self._cluster)
            self._library.rd_kafka_destroy(self._client)
            self._cluster = None


def _library() -> ctypes.CDLL:
    """Return librdkafka, the one that confluent-kafka uses, with the types of what is called."""
    package = Path(confluent_kafka.__file__).parent
    beside = [*package.parent.glob("confluent_kafka.libs/librdkafka-*"), *package.glob(".dylibs/librdkafka.*")]
    library = ctypes.CDLL(str(beside[0]) if beside else ctypes.util.find_library("rdkafka") or "librdkafka.so.1")
    pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
    for name, result, arguments in (
        ("rd_kafka_conf_new", pointer, []),
        ("rd_kafka_conf_set", ctypes.c_int, [pointer, text, text, text, size]),
        ("rd_kafka_new", pointer, [ctypes.c_int, pointer, text, size]),
        ("rd_kafka_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_new", pointer, [pointer, ctypes.c_int]),
        ("rd_kafka_mock_cluster_destroy", None, [pointer]),
        ("rd_kafka_mock_cluster_bootstraps", text, [pointer]),
        ("rd_kafka_mock_group_initial_rebalance_delay_ms", None, [pointer, ctypes.c_int32]),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
