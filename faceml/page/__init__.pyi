from .chart import (
    BLUE as BLUE,
    COLORS as COLORS,
    FAINT as FAINT,
    INK as INK,
    MARKERS as MARKERS,
    QUIET as QUIET,
    VERMILLION as VERMILLION,
    WIDTH_IN as WIDTH_IN,
    chart as chart,
    chart_picture as chart_picture,
    count_axis as count_axis,
    legend_above as legend_above,
    log_axis as log_axis,
    percent_axis as percent_axis,
    styled as styled,
)
from .contact_sheet import (
    TILE_PX as TILE_PX,
    Tile as Tile,
    fit as fit,
    sheet_pictures as sheet_pictures,
)
from .epochs import change as change, epochs_picture as epochs_picture
from .html import (
    Chapter as Chapter,
    Headline as Headline,
    Picture as Picture,
    Report as Report,
    Section as Section,
    write_report as write_report,
)
from .progress import LINE_INTERVAL_S as LINE_INTERVAL_S, ProgressReport as ProgressReport
from .tables import (
    INTERVAL as INTERVAL,
    PERCENT as PERCENT,
    DataTable as DataTable,
    capitalised as capitalised,
    first_names as first_names,
    percent as percent,
    percent_range as percent_range,
    plain_console as plain_console,
    printable as printable,
    significant as significant,
)
