"""Pairs of trials with two values of a setting that share everything else.

Shape letters: C configurations, n seeds.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from faceml.search.seed_groups import settings_key, without_seed
from faceml.search.trial import SEED, Trial, setting_keys

MEASURED = ["score", "last_score"]


def scores_table(
    trials: Sequence[Trial], key: str, values: tuple[str, str], epoch: int | None
) -> pd.DataFrame:
    """Return a row for each trial that counts, with one of two values of a setting.

    Args:
        trials: Trials of one search.
        key: Dotted key of the setting.
        values: The two values to compare.
        epoch: Last epoch whose scores count, of trials that reached it; None for all epochs of the trials
            that finished.

    Returns:
        Columns `value`; `configuration`, a number for the settings without the seed, in the order of their
        first trial; `setting`, the text of those settings that trials of both values have; `seed` as text;
        `score`, the best one until the epoch; and `last_score`, the last one until then.
    """
    chosen = [[trial for trial in trials if str(trial.settings.get(key)) == value] for value in values]
    first, second = (set(setting_keys(arm)) for arm in chosen)
    shared = (first & second) - {key, SEED}
    rows = []
    for value, arm in zip(values, chosen, strict=True):
        for trial in arm:
            until = trial.max_epochs if epoch is None else epoch
            score = trial.best_score_until(until)
            reached = trial.finished if epoch is None else trial.error is None and trial.epochs >= epoch
            if reached and not math.isnan(score):
                settings = without_seed(trial)
                of_both = {name: settings[name] for name in shared if name in settings}
                last = [record[trial.metric] for record in trial.records if record["epoch"] <= until][-1]
                seed = str(trial.settings.get(SEED))
                rows.append((value, settings_key(settings), settings_key(of_both), seed, score, last))
    table = pd.DataFrame(rows, columns=["value", "configuration", "setting", "seed", *MEASURED])
    table["configuration"] = pd.factorize(table["configuration"])[0]
    return table.astype(dict.fromkeys(MEASURED, float))


def matched_differences(table: pd.DataFrame, value: str, baseline: str) -> pd.DataFrame:
    """Return the differences of both scores by setting and seed, for those that both values have.

    Scores are means over the settings that only one of the values has.
    """
    cells = table.groupby(["value", "setting", "seed"])[MEASURED]
    means = cells.agg(lambda scores: scores.mean(skipna=False))
    return (means.loc[value] - means.loc[baseline]).dropna(subset="score")


def tuned_differences(table: pd.DataFrame, value: str, baseline: str, direction: int) -> pd.DataFrame:
    """Return the differences of both scores by seed, each value with its best settings for the other seeds.

    Args:
        table: From `scores_table`.
        value: The value to compare.
        baseline: The value to compare with.
        direction: 1 where higher scores are better, -1 where lower ones are.

    Returns:
        No rows where a value has no configuration with all seeds that both values have, where there are fewer
        than two of these seeds, or where neither value has several configurations to choose from.
    """
    arms = [table[table["value"] == name] for name in (value, baseline)]
    seeds = sorted(set(arms[0]["seed"]) & set(arms[1]["seed"]))
    if len(seeds) < 2:
        return pd.DataFrame(columns=MEASURED)
    scores = [_complete_scores(arm[arm["seed"].isin(seeds)]) for arm in arms]
    if not all(map(len, scores)) or max(map(len, scores)) < 2:
        return pd.DataFrame(columns=MEASURED)
    chosen, other = (_left_out_scores(of_arm, direction) for of_arm in scores)
    return chosen - other


def _complete_scores(arm: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of the C configurations that have all n seeds, a column for each score and seed."""
    last_of_equal = arm.drop_duplicates(["configuration", "seed"], keep="last")
    scores = last_of_equal.pivot(index="configuration", columns="seed", values=MEASURED)
    return scores[scores["score"].notna().all(axis="columns")]


def _left_out_scores(scores: pd.DataFrame, direction: int) -> pd.DataFrame:
    """Return each seed's scores of the configuration that is best with the other seeds, of shape (n, 2)."""
    of_seeds = direction * scores["score"].to_numpy()
    others = of_seeds.sum(axis=1, keepdims=True) - of_seeds
    chosen, seeds = others.argmax(axis=0), np.arange(of_seeds.shape[1])
    return pd.DataFrame({name: scores[name].to_numpy()[chosen, seeds] for name in MEASURED})
