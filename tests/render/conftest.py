"""What the render tests share: one model, rendered with a body of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pytest

if TYPE_CHECKING:
    from charttest.plugin import Chart
    from charttest.render import Rendered


class RenderModel(Protocol):
    """Renders the model `m` with this body; `root` are other values, `options` those of render()."""

    def __call__(self, body: dict[str, Any] | None = None, root: Any = None, **options: Any) -> Rendered: ...


@pytest.fixture(scope="session")
def render_model(chart: Chart) -> RenderModel:
    def render(body: dict[str, Any] | None = None, root: Any = None, **options: Any) -> Rendered:
        model = {"source": {"uri": "hf://org/model"}, **(body or {})}
        return chart.render({"models": {"m": model}, **(root or {})}, **options)

    return render
