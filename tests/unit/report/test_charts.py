from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np

from bertspec.report.charts import svg
from bertspec.report.plots import Point, curve_plot, pareto_plot

SVG = "{http://www.w3.org/2000/svg}"


def test_a_chart_alone_is_an_svg_file_with_its_own_style() -> None:
    root = ET.fromstring(svg("curve", curve_plot([np.linspace(1, 0, 8), np.linspace(1, 0.5, 8)]), "bert-tiny"))
    assert root.tag == f"{SVG}svg"
    assert "--mark" in (root.findtext(f"{SVG}style") or "")
    assert root.find(f"{SVG}polyline") is not None


def test_a_hostile_name_stays_text() -> None:
    plot = pareto_plot([Point("a", 1, 0.5, 0.4, 0.6), Point("b", 2, 0.6, 0.5, 0.7)])
    drawn = svg("pareto", plot, '"><script>alert(1)</script>')
    assert "<script>" not in drawn
    assert "alert(1)" in ET.fromstring(drawn).attrib["aria-label"]
