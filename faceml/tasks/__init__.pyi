from .build import (
    Tasks as Tasks,
    build_tasks as build_tasks,
    describe_tasks as describe_tasks,
    short_contract as short_contract,
)
from .chapters.evaluation import TaskEvaluation as TaskEvaluation
from .chapters.results import (
    Columns as Columns,
    ImageValues as ImageValues,
    TrainingResults as TrainingResults,
)
from .classes import AFFECTNET8 as AFFECTNET8
from .columns import output_values as output_values
from .flip_test import run_flip_test as run_flip_test
from .names import (
    VALIDATION as VALIDATION,
    counts_name as counts_name,
    metric_name as metric_name,
    output_name as output_name,
    own_metrics as own_metrics,
    split_metric as split_metric,
)
from .plain_numbers import DIGITS as DIGITS, rounded as rounded
from .selection import select_score as select_score
from .task import (
    Task as Task,
    TaskMetric as TaskMetric,
    Values as Values,
)
from .task_loss import TaskLoss as TaskLoss, sum_over_count as sum_over_count
