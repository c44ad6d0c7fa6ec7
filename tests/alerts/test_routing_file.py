"""The routing file while delivery runs: a good one is gone over to, a bad one changes nothing and is told."""

from alerts.routing_file import RoutingFile

GOOD = 'receivers:\n- {name: hook, channel: webhook, url: "http://127.0.0.1/"}\nroute: {receiver: hook}\n'


def test_a_file_is_read_again_when_it_changes_and_only_then(tmp_path):
    path = tmp_path / "routing.yaml"
    path.write_text(GOOD)
    file = RoutingFile(path)
    assert file.changed() is None
    path.write_text(GOOD + "# more\n")
    changed = file.changed()
    assert changed is not None
    assert changed.route.receiver == "hook"
    assert file.changed() is None


def test_a_bad_file_keeps_the_old_routing_and_says_what_is_wrong(tmp_path):
    path = tmp_path / "routing.yaml"
    path.write_text(GOOD)
    file = RoutingFile(path)
    path.write_text(GOOD.replace("{receiver: hook}", "{receiver: nobody}"))
    assert file.changed() is None
    assert "there is no such receiver" in str(file.fault)
    path.unlink()
    assert file.changed() is None
    assert "cannot be read" in str(file.fault)
    path.write_text(GOOD)
    assert file.changed() is not None
    assert file.fault is None
