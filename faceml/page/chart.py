"""The look of every chart, and charts as bytes.

A chart is small, so that its letters keep their size on a phone. It is drawn in dark ink on nothing: a
light page shows it as it is, a dark one inverts it. Series differ in colour and in marker, for paper and
for readers who do not tell colours apart.
"""

import io
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Literal, ParamSpec

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.axis import XAxis, YAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

# Okabe & Ito 2008, "Color Universal Design", without the yellow, which white paper swallows.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
)
COLORS = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY)
MARKERS = ("o", "s", "^", "D", "v", "P")
INK, QUIET, FAINT, GRID = "#16191d", "#59616b", "#a9b1bb", "#808890"

WIDTH_IN = 4.0
HEIGHT_IN = 2.6
LEGEND_ROW_IN = 0.21
"""Of rows beyond two, which would leave the axes too little."""
LONG_LABEL = 14
"""Letters; three columns of longer ones are wider than a chart."""

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": QUIET,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.alpha": 0.35,  # a medium grey that lets the page through is faint on light and on dark ones
    "text.color": INK,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "legend.frameon": False,
    "legend.handlelength": 1.6,
    "legend.columnspacing": 1.4,
    "legend.borderaxespad": 0.2,
    "lines.linewidth": 1.8,
    "lines.markersize": 4,
    "svg.hashsalt": "faceml",  # or else two charts of the same figures would differ
}

_Arguments = ParamSpec("_Arguments")


def styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Draw a figure in the look of all charts, whatever the settings of matplotlib are elsewhere."""

    @wraps(draw)
    def draw_styled(*args: _Arguments.args, **kwargs: _Arguments.kwargs) -> Figure:
        with mpl.rc_context(STYLE):
            return draw(*args, **kwargs)

    return draw_styled


def chart(x_label: str, y_label: str = "", height_in: float = HEIGHT_IN) -> tuple[Figure, Axes]:
    """Return a figure with one empty pair of axes."""
    figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    return figure, axes


def count_axis(axes: Axes) -> None:
    """Mark only whole numbers on the x axis: there is no epoch 1.5."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=8, steps=[1, 2, 5, 10]))
    axes.margins(x=0.04)


def percent_axis(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """Show shares from 0 to 1 as percent."""
    _axis(axes, which).set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))


def log_axis(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """Scale an axis that has its data as a logarithm, with plain numbers, more of them on a short one."""
    axes.set(**{f"{which}scale": "log"})
    axis = _axis(axes, which)
    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_above(figure: Figure, axes: Axes, entries: Sequence[Line2D] | None = None) -> None:
    """Put the legend above the axes, where it hides nothing; it names all labelled lines by default."""
    handles = entries or axes.get_legend_handles_labels()[0]
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    columns = 2 if len(handles) == 4 or longest > LONG_LABEL else 3
    rows = -(-len(handles) // columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW_IN * max(0, rows - 2))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)


def svg(figure: Figure) -> bytes:
    """Return a figure as SVG without background, the same bytes whenever it is drawn."""
    return _encoded(figure, "svg", transparent=True, metadata={"Date": None})


def png(figure: Figure, dpi: int = 200) -> bytes:
    """Return a figure as PNG on white."""
    return _encoded(figure, "png", facecolor="white", dpi=dpi)


def _axis(axes: Axes, which: Literal["x", "y"]) -> XAxis | YAxis:
    return axes.xaxis if which == "x" else axes.yaxis


def _encoded(figure: Figure, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=file_format, **options)
    return buffer.getvalue()
