from collections.abc import Callable

from faceml.storage.folder import StorageFolder
from faceml.storage.json_files import read_json


def test_read_json__is_none_where_there_is_no_file(s3_uri: Callable[..., str]) -> None:
    folder = StorageFolder(s3_uri())
    assert read_json(folder, "summary.json") is None
    folder.write("summary.json", '{"größe": [1, null]}'.encode())
    assert read_json(folder, "summary.json") == {"größe": [1, None]}
    assert read_json(folder, "other.json") is None
