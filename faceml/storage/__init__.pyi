from .atomic import (
    PARTIAL_SUFFIX as PARTIAL_SUFFIX,
    atomic_file as atomic_file,
    atomic_folder as atomic_folder,
    make_folder as make_folder,
    refuse_unwritable as refuse_unwritable,
    write_text as write_text,
)
from .concurrency import map_concurrently as map_concurrently
from .errors import REPORTABLE_ERRORS as REPORTABLE_ERRORS, translate_outage as translate_outage
from .folder import ReadFailure as ReadFailure, StorageFolder as StorageFolder
from .listing import StoredFile as StoredFile
from .locations import (
    canonical_place as canonical_place,
    is_below as is_below,
    is_uri as is_uri,
    leads_below as leads_below,
    place_below as place_below,
    short_names as short_names,
    split_place as split_place,
    user_cache as user_cache,
)
from .mapped_rows import (
    Column as Column,
    MappedRows as MappedRows,
    MappedText as MappedText,
    RowsToMap as RowsToMap,
    find_sorted as find_sorted,
)
from .mapped_tables import collect_batches as collect_batches, filter_rows as filter_rows
from .private_files import hold_lock as hold_lock, private_file as private_file
from .roots import Places as Places, StorageRoots as StorageRoots
from .tensors import is_tensor_file as is_tensor_file, read_tensors as read_tensors
from .upload import put_file as put_file
