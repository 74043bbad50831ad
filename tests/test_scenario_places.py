"""An error names the entry that it is of: every mistake is seen, and named, at the second place of its list too."""

import re

import pytest
import test_scenario_errors as errors
from builders import model, pool, scenario

PLACE = re.compile(r"((?:models|pools|tenants|phases|cluster\.failures\.schedule|satisfaction\.tasks))\.0\b([\w.+]*)")


def sound(table, entries, data):
    """An entry in which nothing is wrong, to stand before those that are given."""
    if table == "phases":
        return {"from_request": 1} if "from_request" in entries[0] else {"from_s": 0.5}
    if table == "pools":
        return pool(data["models"][0]["name"], name="sound")
    if table == "cluster.failures.schedule":
        return {"pool": "small", "at_s": 0.0, "for_s": 0.5}
    return {"models": model("sound"), "tenants": {"name": "sound"}, "satisfaction.tasks": {"name": "sound"}}[table]


def cases():
    """Each mistake of the tables of errors that is of the first entry of a list: the data, the list and the keys."""
    for test in (errors.test_values, errors.test_unknown_keys, errors.test_keys_that_do_not_fit):
        for case in test.pytestmark[0].args[1]:
            changes, lines = getattr(case, "values", case)
            places = [match for line in ([lines] if isinstance(lines, str) else lines) if (match := PLACE.match(line))]
            for table in dict.fromkeys(place[1] for place in places):
                yield pytest.param(changes, table, [p[2] for p in places if p[1] == table], id=places[0][0])


@pytest.mark.parametrize(("changes", "table", "keys"), list(cases()))
def test_a_mistake_is_of_the_entry_where_it_stands(changes, table, keys):
    data = scenario(**changes)
    *above, name = table.split(".")
    parent = data
    for key in above:
        parent[key] = dict(parent[key])
        parent = parent[key]
    parent[name] = [sound(table, parent[name], data), *parent[name]]
    keys_named = [re.match(r"[\w.+]*", line)[0] for line in errors.problems(data)]
    for key in keys:
        assert f"{table}.1{key}" in keys_named
        assert f"{table}.0{key}" not in keys_named
