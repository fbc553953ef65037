"""What pictures of dashboards are made of: units, steps, marks, choices and places."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from charttest.errors import UsageError
from charttest.picture import Window, instant, last, read
from charttest.picture.answers import Line, legend, natural
from charttest.picture.axes import of_time
from charttest.picture.box import WIDTH, Box, box, height
from charttest.picture.dashboard import Place, Variable
from charttest.picture.legends import ROW, SHARE, rows, shortened, style
from charttest.picture.stat import colour
from charttest.picture.units import UNITS, marked, written
from charttest.picture.variables import Choice, choose, filled
from charttest.ticks import ticks, time_step, time_ticks

FOLDER = Path(__file__).parents[2] / "charts/vllm-stack/files/dashboards"
FLEET = json.loads((FOLDER / "fleet.json").read_text())


@pytest.mark.parametrize(
    ("value", "unit", "told"),
    [
        (0, "short", "0"),
        (4, "short", "4"),
        (0.5, "short", "0.500"),
        (14.25, "short", "14.3"),
        (999.6, "short", "1000"),
        (1000, "short", "1 K"),
        (2163.4, "short", "2.16 K"),
        (-2163.4, "short", "-2.16 K"),
        (1234567, "short", "1.23 Mil"),
        (0, "s", "0 s"),
        (2.5e-8, "s", "25.0 ns"),
        (0.00012, "s", "120 \u00b5s"),
        (0.0375, "s", "37.5 ms"),
        (1.5, "s", "1.50 s"),
        (90, "s", "1.50 min"),
        (7200, "s", "2 hour"),
        (172800, "s", "2 day"),
        (1209600, "s", "2 week"),
        (63113800, "s", "2 year"),
        (87, "percent", "87%"),
        (0.0723, "percentunit", "7.23%"),
        (1, "percentunit", "100%"),
        (14.42, "reqps", "14.4 req/s"),
        (1200, "reqps", "1.20K req/s"),
        (0.0101, "ops", "0.0101 ops/s"),
        (71, "celsius", "71 °C"),
        (612.7, "watt", "613 W"),
        (5600, "watt", "5.60 kW"),
        (0.25, "watt", "250 mW"),
        (1980, "rotmhz", "1.98 GHz"),
        (510, "rotmhz", "510 MHz"),
    ],
)
def test_a_value_is_written_as_grafana_writes_it(value: float, unit: str, told: str) -> None:
    assert written(value, unit) == told


def test_every_unit_of_the_dashboards_is_known_and_none_is_for_nothing() -> None:
    used = {
        panel["fieldConfig"]["defaults"]["unit"]
        for path in FOLDER.glob("*.json")
        for panel in json.loads(path.read_text())["panels"]
    }
    assert used == set(UNITS)


@given(st.floats(1e-3, 1e9), st.sampled_from(["short", "reqps", "percent", "percentunit", "celsius", "watt"]))
def test_a_written_value_is_right_to_three_digits(value: float, unit: str) -> None:
    number, letter = re.fullmatch(r"([\d.]+) ?(K|Mil|Bil|k|M|B|G|m)?.*", written(value, unit)).groups()  # type: ignore[union-attr]
    powers = {None: 0, "m": -3, "K": 3, "k": 3, "M": 6, "Mil": 6, "B": 9, "G": 9, "Bil": 9}
    assert float(number) * 10.0 ** powers[letter] == pytest.approx(
        value * (100 if unit == "percentunit" else 1), rel=0.00501
    )


@given(st.floats(1e-3, 1e6))
def test_ticks_are_few_round_and_reach_the_highest_value(highest: float) -> None:
    marks = ticks(highest)
    assert 3 <= len(marks) <= 12
    assert marks[0] == 0
    assert marks[-2] < highest <= marks[-1] * (1 + 1e-6)
    assert f"{marks[1]:e}"[0] in "125"


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(1, 10))
def test_ticks_enclose_what_they_are_for(lowest: float, span: float, most: int) -> None:
    marks = ticks(lowest + span, lowest=lowest, most=most)
    slack = 1e-6 * (marks[1] - marks[0])
    assert marks[0] <= lowest + slack
    assert marks[-1] >= lowest + span - slack
    assert len(marks) <= most + 2


@given(st.integers(0, 2_000_000_000), st.integers(30, 90 * 86400), st.integers(2, 9))
def test_times_are_marked_at_round_moments_of_the_window(start: int, span: int, most: int) -> None:
    marks = time_ticks(start, start + span, most)
    step = time_step(span / most)
    assert len(marks) <= most + 1
    assert all(start <= mark <= start + span and mark % step == 0 for mark in marks)
    assert step < 86400 or step % 86400 == 0


@given(st.floats(1e-6, 1e9), st.sampled_from(list(UNITS)))
def test_marks_of_an_axis_differ_in_writing(highest: float, unit: str) -> None:
    names = [marked(mark, unit) for mark in ticks(highest, most=6)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("span", "points", "scrape", "step", "rate"),
    [
        (1800, 297, 15, 15, 60),  # never finer than a scrape, and a rate over four of them
        (3600, 297, 15, 15, 60),
        (21600, 297, 15, 60, 75),
        (86400, 297, 15, 300, 315),
        (604800, 297, 15, 1800, 1815),
        (300, 297, 2, 2, 8),
        (3600, 297, 2, 10, 12),
    ],
)
def test_steps_and_rates_are_those_of_grafana(
    span: int, points: int, scrape: int, step: int, rate: int
) -> None:
    window = Window(0, span, scrape)
    query = "rate(a[$__rate_interval]) + rate(a[${__interval}]) + increase(a[$__range])"
    assert window.filled(query, points) == f"rate(a[{rate}s]) + rate(a[{step}s]) + increase(a[{span}s])"


def test_times_are_read_with_and_without_a_zone() -> None:
    assert (
        instant("2026-11-20T12:00:00Z") == instant("2026-11-20T14:00:00+02:00") == instant("2026-11-20 12:00")
    )
    assert instant("1795176000") == instant("2026-11-20T12:00:00Z")
    assert last("2d", 172800.0) == Window(0, 172800)


@pytest.mark.parametrize(
    ("span", "names"),
    [
        (60, ["12:00:00", "12:00:10"]),
        (3600, ["12:00", "12:10"]),
        (4 * 86400, ["11-21 00:00", "11-22 00:00"]),
    ],
)
def test_times_are_as_fine_as_the_window(span: int, names: list[str]) -> None:
    start = instant("2026-11-20T12:00:00Z")
    assert [name for _, name in of_time(Window(start, start + span), 7).marks][:2] == names


def values(_series: str, _label: str) -> list[str]:
    return ["b", "a.b", "c"]


@pytest.mark.parametrize(
    ("given_values", "query"),
    [
        ([], 'up{a=~".+"}'),
        (["All"], 'up{a=~".+"}'),
        (["b"], 'up{a=~"b"}'),
        (["a.b"], r'up{a=~"a\\.b"}'),
        (["b", "a.b"], r'up{a=~"(b|a\\.b)"}'),
    ],
)
def test_a_variable_stands_in_a_query_as_grafana_puts_it_there(given_values: list[str], query: str) -> None:
    variable = Variable("a", "up", "a", (), several=True, every=".+")
    chosen = choose([variable], {"a": given_values} if given_values else {}, values)
    assert filled('up{a=~"$a"}', chosen) == filled('up{a=~"${a}"}', chosen) == query


def test_a_variable_asks_by_those_before_it_and_starts_with_its_first_value() -> None:
    asked: list[str] = []

    def ask(series: str, _label: str) -> list[str]:
        asked.append(series)
        return ["z", "y"]

    first = Variable("first", "up", "l")
    second = Variable("second", 'up{l="$first"}', "k")
    chosen = choose([first, second], {}, ask)
    assert asked == ["up", 'up{l="y"}']
    assert chosen == {"first": Choice("y", "y"), "second": Choice("y", "y")}


def test_a_variable_that_is_not_there_is_refused() -> None:
    with pytest.raises(UsageError, match=r"\$pod in up\{a=\"\$pod\"\}: is no variable; there are a"):
        filled('up{a="$pod"}', {"a": Choice("a", "a")})


def test_a_legend_leaves_out_labels_that_a_series_lacks() -> None:
    assert legend("{{variant}} {{ role }}", {"variant": "h100"}) == "h100"
    assert legend("p95", {"a": "b"}) == "p95"


def test_lines_are_in_the_order_of_their_numbers() -> None:
    assert sorted(["gpu 10", "gpu 9", "cpu", "gpu"], key=natural) == ["cpu", "gpu", "gpu 9", "gpu 10"]


def test_a_line_is_broken_where_a_point_is_missing() -> None:
    line = Line("l", ((0, 1), (15, 3), (45, 2), (60, 1)), 15)
    assert line.runs() == [[(0, 1), (15, 3)], [(45, 2), (60, 1)]]
    assert (line.last, line.highest) == (1, 3)


def test_panels_lie_in_grafanas_grid_without_overlap() -> None:
    for path in FOLDER.glob("*.json"):
        places = [panel.place for panel in read(json.loads(path.read_text())).panels]
        boxes = [box(place) for place in places]
        for number, one in enumerate(boxes):
            assert 0 < one.x < one.right < WIDTH
            assert one.bottom < height(places)
            for other in boxes[number + 1 :]:
                assert (
                    one.right < other.x or other.right < one.x or one.bottom < other.y or other.bottom < one.y
                )


def test_a_legend_takes_a_third_of_the_panel_and_leaves_the_rest_out() -> None:
    place = box(Place(0, 0, 12, 8))
    placed = rows([f"prod-model-with-a-long-name-{n}" for n in range(200)], place)
    assert ROW * len(placed) <= SHARE * place.height
    assert 0 < sum(len(row) for row in placed) < 200
    assert len({style(number) for number in range(21)}) == 21


def test_a_text_without_room_is_shortened() -> None:
    assert shortened("abc", 300) == "abc"
    assert shortened("a" * 100, 69) == "a" * 9 + "…"
    [row] = rows(["x" * 500], Box(0, 0, 300, 300))
    assert len(row) == 1


def test_a_stat_has_the_colour_of_the_last_threshold_that_it_reaches() -> None:
    [failed] = [panel for panel in read(FLEET).panels if panel.title == "Failed"]
    hues = [colour(failed, value) for value in (0, 0.004, 0.005, 0.05, 0.072, 1)]
    assert hues == ["#1a7f37"] * 2 + ["#bc4c00"] * 2 + ["#cf222e"] * 2
