"""Tables of an extraction."""

from faceml.reporting.extraction.summary import ExtractionSummary, folder_table

SUMMARY = ExtractionSummary({"ok": 105, "no_face": 15}, {"1": (100, 90), "5": (20, 15)}, 120, 50.0, 3.0)


def test_folder_table__has_the_wilson_interval_of_each_rate() -> None:
    table = folder_table(SUMMARY, warn_below=0.8, most=5)
    rates, intervals = ([row[column] for row in table.rows] for column in (3, 4))
    plain = [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in [*rates, *intervals]]
    # statsmodels.stats.proportion.proportion_confint(…, method="wilson")
    assert plain == ["75.0 %", "90.0 %", "53.1–88.8 %", "82.6–94.5 %"]
    assert table.highlighted == {0}


def test_folder_table__names_the_number_of_folders_if_not_all_are_shown() -> None:
    assert folder_table(SUMMARY, warn_below=0.8, most=1).title.endswith("lowest first, 1 of 2")
    assert folder_table(SUMMARY, warn_below=0.8, most=2).title.endswith("lowest first")
