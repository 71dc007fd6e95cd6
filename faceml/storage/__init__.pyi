from .atomic import (
    PARTIAL_SUFFIX as PARTIAL_SUFFIX,
    AtomicFolder as AtomicFolder,
    AtomicPath as AtomicPath,
    write_text as write_text,
)
from .cache import user_cache as user_cache
from .folder import ReadFailure as ReadFailure, StorageFolder as StorageFolder, StoredFile as StoredFile
from .json_files import read_json as read_json
from .locations import is_uri as is_uri, place_below as place_below, split_place as split_place
from .stopped import (
    StopNoted as StopNoted,
    StoppedByOutage as StoppedByOutage,
    StoppedError as StoppedError,
    UnreachableError as UnreachableError,
)
from .subfolders import folder_names as folder_names, remove_folder as remove_folder
from .tensors import is_tensor_file as is_tensor_file, read_tensors as read_tensors
