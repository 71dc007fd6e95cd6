from .digests import (
    content_digest as content_digest,
    label_digest as label_digest,
    label_version as label_version,
    table_digests as table_digests,
)
from .face_rows import (
    FACE as FACE,
    face_names as face_names,
    face_numbers as face_numbers,
    image_of as image_of,
    is_further_face as is_further_face,
    key_columns as key_columns,
    sorted_by_face as sorted_by_face,
)
from .image_copies import COLUMN as COLUMN, ImageCopies as ImageCopies
from .image_listing import (
    LISTING_SCHEMA as LISTING_SCHEMA,
    image_batches as image_batches,
    image_table as image_table,
    list_image_batches as list_image_batches,
    list_images as list_images,
)
from .json_export import export_json as export_json
from .label_table import LabelCounts as LabelCounts, NamedCount as NamedCount
from .landmark_sets import (
    LANDMARK_SETS as LANDMARK_SETS,
    LandmarkSet as LandmarkSet,
    convert_landmarks as convert_landmarks,
    mesh_landmark_set as mesh_landmark_set,
    with_eyes as with_eyes,
)
from .landmark_table import (
    folder_columns as folder_columns,
    put_shard as put_shard,
    qualified_folders as qualified_folders,
    read_shard_schema as read_shard_schema,
    shard_names as shard_names,
    table_columns as table_columns,
    table_metadata_of as table_metadata_of,
    write_shard as write_shard,
)
from .manifest import (
    PLAN_FILE as PLAN_FILE,
    SHARD_SUFFIX as SHARD_SUFFIX,
    Shard as Shard,
    distinct_schemas as distinct_schemas,
    open_shard as open_shard,
    read_shards as read_shards,
)
from .person_removal import RemovedRows as RemovedRows, forget_person as forget_person
from .queries import (
    DEFAULT_LIMITS as DEFAULT_LIMITS,
    Connection as Connection,
    QueryLimits as QueryLimits,
    build_limits as build_limits,
    first_row as first_row,
    load_table as load_table,
    open_database as open_database,
    temporary_folder as temporary_folder,
)
from .row_groups import (
    ROWS_PER_GROUP as ROWS_PER_GROUP,
    read_row_groups as read_row_groups,
    write_row_groups as write_row_groups,
)
from .schema import (
    FILE_FIELDS as FILE_FIELDS,
    ID_FIELDS as ID_FIELDS,
    SIZE_FIELDS as SIZE_FIELDS,
    STATUSES as STATUSES,
    Status as Status,
    landmark_column as landmark_column,
    landmark_schema as landmark_schema,
    read_metadata as read_metadata,
    table_metadata as table_metadata,
)
from .selection import (
    LabelSource as LabelSource,
    TableSelection as TableSelection,
    build_selection as build_selection,
)
from .sorted_rows import read_table as read_table
from .table_cache import (
    cached_file as cached_file,
    remove_earlier_versions as remove_earlier_versions,
)
from .table_images import (
    SHARD_FIELD as SHARD_FIELD,
    TableImages as TableImages,
    collect_images as collect_images,
    store_manifest as store_manifest,
    update_manifest as update_manifest,
)
from .table_scan import TableScan as TableScan
