from .forgetting import Forgotten as Forgotten, forget_person as forget_person
from .image_copies import COLUMN as COLUMN, ImageCopies as ImageCopies
from .image_listing import image_table as image_table, list_images as list_images
from .landmark_table import (
    read_shard_schema as read_shard_schema,
    read_table as read_table,
    shard_names as shard_names,
    table_metadata_of as table_metadata_of,
    write_shard as write_shard,
)
from .plain_json import export_json as export_json
from .plan import (
    PLAN_FILE as PLAN_FILE,
    SMALLEST_SHARD as SMALLEST_SHARD,
    Difference as Difference,
    compare as compare,
    cut_into_shards as cut_into_shards,
    read_planned_files as read_planned_files,
    write_plan as write_plan,
)
from .row_maker import (
    Row as Row,
    RowMaker as RowMaker,
    RowSettings as RowSettings,
    row_without_image as row_without_image,
)
from .row_process import ExtractorProcess as ExtractorProcess
from .schema import (
    FILE_FIELDS as FILE_FIELDS,
    ID_FIELDS as ID_FIELDS,
    LANDMARK_SETS as LANDMARK_SETS,
    MESH_POINTS as MESH_POINTS,
    SIZE_FIELDS as SIZE_FIELDS,
    STATUSES as STATUSES,
    LandmarkSet as LandmarkSet,
    Status as Status,
    crop_landmarks as crop_landmarks,
    landmark_column as landmark_column,
    landmark_schema as landmark_schema,
    read_metadata as read_metadata,
    table_metadata as table_metadata,
)
from .shard_maker import MOST_NAMED as MOST_NAMED, ShardChanges as ShardChanges, ShardMaker as ShardMaker
