from . import driver as driver, extraction as extraction, predictions as predictions
from .extraction_job import dry_run as dry_run, extraction_job as extraction_job, table_schema as table_schema
from .job import ShardJob as ShardJob
from .worker import ShardResult as ShardResult, read_result as read_result
