"""The dashboards of a live release as pictures; those of docs/pictures are of such a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.monitoring.grafana import SCRAPE_SECONDS
from tests.monitoring.test_dashboards import NAMES

from charttest import picture

if TYPE_CHECKING:
    from tests.monitoring.live import Live


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_of_a_live_release_is_drawn_with_data(
    running: Live, name: str, pytestconfig: pytest.Config
) -> None:
    window = running.window
    dashboard = window.dashboards[name]
    chosen = {"namespace": [window.namespace], "release": [window.release], "model": [window.model]}
    known = {variable["name"] for variable in dashboard["templating"]["list"]}
    drawn = picture.draw(
        dashboard,
        picture.Server(window.url, window.authority),
        picture.Window(window.begin, window.end, SCRAPE_SECONDS),
        {variable: values for variable, values in chosen.items() if variable in known},
    )
    folder = pytestconfig.rootpath / "build/monitoring"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.svg").write_text(drawn, encoding="utf-8")
    assert "No data" not in drawn
