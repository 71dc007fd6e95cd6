from .comparison import (
    TableDiff as TableDiff,
    compare_with_table as compare_with_table,
    read_table_state as read_table_state,
)
from .extractor_process import ExtractorProcess as ExtractorProcess
from .file_lists import (
    ShardFileList as ShardFileList,
    decode_files as decode_files,
    encode_files as encode_files,
)
from .plan import (
    SMALLEST_SHARD as SMALLEST_SHARD,
    split_into_shards as split_into_shards,
    write_plan as write_plan,
)
from .row_extractor import (
    Row as Row,
    RowExtractor as RowExtractor,
    RowExtractorSettings as RowExtractorSettings,
    row_without_image as row_without_image,
)
from .shard_writer import MAX_NAMES as MAX_NAMES, ShardChanges as ShardChanges, ShardWriter as ShardWriter
