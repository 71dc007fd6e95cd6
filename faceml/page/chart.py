"""Style, axes, legends and encoding of charts.

Charts are narrow, so that text keeps its size on a phone. They are drawn in dark colours on a transparent
background; the page inverts them in dark mode. Series differ in colour and in marker, for prints in grey and
for colour-blind readers.
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

from faceml.page.html import Picture

# Okabe & Ito 2008, "Color Universal Design", without yellow, which is hard to see on white.
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
"""Height added for each legend row beyond two, so that the axes keep their size."""
LONG_LABEL = 14
"""Number of letters; three columns of longer labels are wider than a chart."""

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": QUIET,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": GRID,
    "grid.alpha": 0.35,  # semi-transparent grey is faint on light and on dark pages
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is no formula
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
    "svg.hashsalt": "faceml",  # makes equal charts equal files
}

_Arguments = ParamSpec("_Arguments")


def styled(draw: Callable[_Arguments, Figure]) -> Callable[_Arguments, Figure]:
    """Decorate a function to draw its figure in the style of all charts, regardless of global settings."""

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
    """Put ticks of the x axis at integers only, as for epochs."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=8, steps=[1, 2, 5, 10]))
    axes.margins(x=0.04)


def percent_axis(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """Label an axis of shares from 0 to 1 in percent."""
    _axis(axes, which).set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.4g} %"))


def log_axis(axes: Axes, which: Literal["x", "y"] = "y") -> None:
    """Make an axis logarithmic, with plain numbers as labels; call it after plotting.

    Axes of less than three decades get labels at 1, 2 and 5, others at powers of ten.
    """
    axes.set(**{f"{which}scale": "log"})
    axis = _axis(axes, which)
    low, high = sorted(axis.get_view_interval())
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 1000 * low else (1,), numticks=12))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def legend_above(figure: Figure, axes: Axes, entries: Sequence[Line2D] | None = None) -> None:
    """Put a legend above the axes, by default of all labelled lines."""
    handles = entries or axes.get_legend_handles_labels()[0]
    longest = max((len(str(handle.get_label())) for handle in handles), default=0)
    columns = 2 if len(handles) == 4 or longest > LONG_LABEL else 3
    rows = -(-len(handles) // columns)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW_IN * max(0, rows - 2))
    figure.legend(handles=handles, loc="outside upper left", ncols=columns)


def svg(figure: Figure) -> bytes:
    """Encode a figure as SVG with a transparent background; equal figures give equal bytes."""
    return _encoded(figure, "svg", transparent=True, metadata={"Date": None})


def chart_picture(title: str, figure: Figure, alt: str, caption: str = "") -> Picture:
    """Return a figure as a picture of a report; see `Picture`."""
    return Picture(title, svg(figure), "image/svg+xml", alt, caption)


def png(figure: Figure, dpi: int = 200) -> bytes:
    """Encode a figure as PNG on white."""
    return _encoded(figure, "png", facecolor="white", dpi=dpi)


def _axis(axes: Axes, which: Literal["x", "y"]) -> XAxis | YAxis:
    return axes.xaxis if which == "x" else axes.yaxis


def _encoded(figure: Figure, file_format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=file_format, **options)
    return buffer.getvalue()
