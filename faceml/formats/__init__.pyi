from .data_format import DataFormat as DataFormat
from .import_summary import UNKNOWN as UNKNOWN, ImportSummary as ImportSummary
from .importing import import_data_set as import_data_set
from .next_jobs import NextJob as NextJob, write_next_jobs as write_next_jobs
from .registry import find_import_commands as find_import_commands, open_format as open_format
