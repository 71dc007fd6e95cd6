from .annotated_faces import AnnotatedFaces as AnnotatedFaces
from .located_faces import (
    EVALUATED as EVALUATED,
    LocatedFaces as LocatedFaces,
    read_located_faces as read_located_faces,
    read_located_rows as read_located_rows,
)
from .reading import (
    annotations_folder as annotations_folder,
    find_annotated_images as find_annotated_images,
    read_annotations as read_annotations,
)
