from .generate import generate_faces as generate_faces
