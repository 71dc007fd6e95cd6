"""Charts of data whose names are anything."""

from matplotlib.figure import Figure

from faceml.page.chart import chart, styled, svg


@styled
def bars(*names: str) -> Figure:
    figure, axes = chart("of $\\bad{ these")
    axes.barh(names, range(len(names)))
    return figure


def test_svg__a_dollar_sign_in_a_name_is_no_formula() -> None:
    assert svg(bars("$a$", "$\\frac{", "5 $"))
