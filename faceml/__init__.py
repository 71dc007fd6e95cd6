"""faceml: from a folder of faces to landmarks, a multitask backbone and face recognition.

    import faceml

    predictor = faceml.load("runs/multitask_affectnet")
    for image in predictor.predict(["photo.jpg"]):
        print([face.expression for face in image.faces])

A name in `__all__` is imported when it is first used; `import faceml` alone
imports neither PyTorch nor MediaPipe.
"""

import lazy_loader as lazy

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
