from . import actor_pool as actor_pool, extraction as extraction, predictions as predictions
from .extraction_job import (
    build_extraction_job as build_extraction_job,
    build_table_schema as build_table_schema,
    dry_run as dry_run,
)
from .shard_actor import ShardResult as ShardResult, read_result as read_result
from .table_job import TableJob as TableJob
