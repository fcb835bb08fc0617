"""examples/grafana/dashboard.json: its form, and its queries against what Telegraf writes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from tests.examples.helpers import EXAMPLES
from tests.examples.sample_messages import LABELS, samples
from tests.examples.telegraf_points import name_of, parsers, point
from tests.support.broker import free_port, wait_for

DASHBOARD: dict[str, Any] = json.loads((EXAMPLES / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
PANELS: list[dict[str, Any]] = DASHBOARD["panels"]
QUERIES = [target["query"] for panel in PANELS for target in panel["targets"]]
VARIABLES = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
COLUMNS = 24
INFLUXD = shutil.which("influxd")


def test_what_grafana_demands_is_there() -> None:
    assert DASHBOARD["title"] and re.fullmatch(r"[A-Za-z0-9_-]{1,40}", DASHBOARD["uid"])
    assert isinstance(DASHBOARD["schemaVersion"], int) and DASHBOARD["time"].keys() == {"from", "to"}
    assert "id" not in DASHBOARD, "a number of one database; an import must not have it"
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    for panel in PANELS:
        assert panel["type"] in ("stat", "timeseries", "table") and panel["title"] and panel["targets"]
        assert panel["fieldConfig"].keys() == {"defaults", "overrides"}
        assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
    assert VARIABLES["datasource"]["type"] == "datasource" and VARIABLES["datasource"]["query"] == "influxdb"
    sources = [one["datasource"] for panel in PANELS for one in (panel, *panel["targets"])]
    assert all(source == {"type": "influxdb", "uid": "${datasource}"} for source in sources)


def test_the_panels_fill_the_grid_without_overlap() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken and max(x for x, _ in cells) < COLUMNS, panel["title"]
        taken |= cells


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_names_measurement_fields_and_tags_that_telegraf_writes(query: str) -> None:
    match = re.fullmatch(r'SELECT (.+) FROM "(\w+)" WHERE (.+)', query)
    assert match is not None
    selected, measurement, rest = match.groups()
    (parser,) = (one for one in parsers().values() if one["measurement_name"] == measurement)
    fields = {name_of(one) for one in parser["field"]}
    fields |= {*LABELS, "unknown"} if parser.get("object") else set()
    tags = {name_of(one) for one in parser["tag"]}
    assert set(re.findall(r'"(\w+)"', selected)) <= fields | tags
    assert set(re.findall(r'"(\w+)"', rest)) <= tags
    assert "$timeFilter" in rest and '"device" =~ /^$device$/' in rest


def test_a_name_of_a_series_uses_tags_that_its_query_groups_by() -> None:
    for panel in PANELS:
        for target in panel["targets"]:
            groups = set(re.findall(r'"(\w+)"', target["query"].partition("GROUP BY")[2]))
            assert set(re.findall(r"\$tag_(\w+)", target["alias"])) <= groups, target


class InfluxDB:
    """A real InfluxDB 1.x with the points of the sample messages."""

    def __init__(self, port: int) -> None:
        self._address = f"http://127.0.0.1:{port}"

    def ask(self, query: str) -> dict[str, Any]:
        """The first result of a query."""
        text = urllib.parse.urlencode({"db": "emotion", "q": query}).encode()
        with urllib.request.urlopen(f"{self._address}/query", text, timeout=30) as answer:
            return dict(json.load(answer)["results"][0])

    def write(self, lines: list[str]) -> None:
        """Write points in line protocol."""
        request = urllib.request.Request(f"{self._address}/write?db=emotion", "\n".join(lines).encode())
        urllib.request.urlopen(request, timeout=30).close()

    def answers(self) -> bool:
        """Whether it has started."""
        with suppress(OSError):
            urllib.request.urlopen(f"{self._address}/ping", timeout=5).close()
            return True
        return False


@pytest.fixture(scope="module")
def influxdb(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InfluxDB]:
    if INFLUXD is None:
        pytest.skip("InfluxDB is not there: Debian's package influxdb, with influxd in PATH")
    folder, port = tmp_path_factory.mktemp("influxdb"), free_port()
    config = folder / "influxdb.conf"
    config.write_text(
        f'reporting-disabled = true\nbind-address = "127.0.0.1:{free_port()}"\n[meta]\ndir = "{folder}/meta"\n[data]\n'
        f'dir = "{folder}/data"\nwal-dir = "{folder}/wal"\n[http]\nbind-address = "127.0.0.1:{port}"\n'
        "log-enabled = false\n[monitor]\nstore-enabled = false\n"
    )
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([INFLUXD, "-config", config], stdout=log, stderr=log)
    try:
        database = InfluxDB(port)
        wait_for(database.answers, "InfluxDB")
        database.ask("CREATE DATABASE emotion")
        database.write([point(channel, payload).line() for channel, payload in samples()])
        yield database
    finally:
        process.terminate()
        process.wait(30)


def test_a_real_influxdb_answers_the_queries_and_lists_the_devices(influxdb: InfluxDB) -> None:
    for query in QUERIES:
        asked = query.replace("$timeFilter", "time > now() - 1h").replace("$__interval", "10s")
        result = influxdb.ask(asked.replace("$device", "porch"))
        assert "error" not in result and result["series"], (asked, result)
    (series,) = influxdb.ask(VARIABLES["device"]["query"])["series"]
    assert series["values"] == [["device", "porch"]]
