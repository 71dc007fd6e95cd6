"""Evaluation of face recognition on people outside the training split: embeddings and scores of pairs.

Shape letters: N images, B images of a batch, S side of the image, px, D embedding dimensions.
"""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn import functional

from faceml.datasets import FaceLoader, FaceSample, PersonDataset, Preprocessing, VerificationPairs
from faceml.metrics import ScoredPairs, agree_with_people
from faceml.training.observer import Evaluated, Metrics
from faceml.training.verification.measures import identification, verification_metrics


class Verification:
    """Evaluate a network by verification of pairs and by identification.

    With several workers each embeds its share of the images, and all get the result of the whole split.

    Args:
        pairs: Pairs of images of the split.
        people: Person of each of the N images by its folder, int64 of shape (N,). If pairs contradict them,
            people are not known, and nobody is identified.
        preprocessing: The training's preprocessing.
        device: Device of the network.
        undetected: Images in which no face was found, bool of shape (N,), which are not identified; by
            default none.
        flip_test: Whether an image's embedding is the sum of its own and its mirror image's.
    """

    def __init__(
        self,
        pairs: VerificationPairs,
        people: npt.NDArray[np.int64],
        preprocessing: Preprocessing,
        device: torch.device,
        undetected: npt.NDArray[np.bool_] | None = None,
        *,
        flip_test: bool = True,
    ) -> None:
        self._identified = np.ones(len(people), bool) if undetected is None else ~undetected
        self._pairs = pairs
        self._people = people
        self._preprocessing = preprocessing
        self._device = device
        self._flip_test = flip_test

    def __call__(self, model: nn.Module, batches: Iterable[FaceSample]) -> Evaluated:
        """Return the metrics of `verification_metrics` and `identification`, and no confusion matrix.

        The network is left in evaluation mode.
        """
        scored, identified = self.score(model, batches)
        return verification_metrics(scored) | identified, {}

    def score(self, model: nn.Module, batches: Iterable[FaceSample]) -> tuple[ScoredPairs, Metrics]:
        """Return the scored pairs, and the metrics of `identification`.

        Args:
            model: Network from normalised images, float32 of shape (B, 3, S, S), to embeddings (B, D).
            batches: This worker's batches of the split.
        """
        embeddings = self.embed(model, batches)
        scored = score_pairs(embeddings, self._pairs, self._people)
        named = self._identified & (scored.num_people is not None)
        return scored, identification(embeddings[named], self._people[named])

    @torch.no_grad()
    def embed(self, model: nn.Module, batches: Iterable[FaceSample]) -> npt.NDArray[np.float64]:
        """Return the normalised embeddings of all images, float64 of shape (N, D).

        Args:
            model: Network from normalised images, float32 of shape (B, 3, S, S), to embeddings (B, D).
            batches: This worker's batches of the split.
        """
        model.eval()
        embeddings: Tensor | None = None
        for batch in batches:
            faces = batch.to(self._device)
            images = self._preprocessing.normalize(faces.image)
            found = (model(images) + model(images.flip(-1)) if self._flip_test else model(images)).float()
            if embeddings is None:
                embeddings = torch.zeros(len(self._people), found.shape[1], device=self._device)
            embeddings[faces.position] = functional.normalize(found)
        assert embeddings is not None, "a split has images for every worker"
        if dist.is_initialized():
            dist.all_reduce(embeddings)  # rows of other workers' images are 0
        return embeddings.double().cpu().numpy()


def score_split(
    model: nn.Module,
    faces: PersonDataset,
    pairs: VerificationPairs,
    batch_size: int,
    device: torch.device,
    loader_processes: int = 0,
    *,
    flip_test: bool = True,
    on_batch: Callable[[int], None] = lambda images: None,
) -> tuple[ScoredPairs, Metrics]:
    """Score the pairs of a split in this process.

    Args:
        model: The network, on the device.
        faces: The split.
        pairs: Pairs of its images.
        batch_size: Images per batch.
        device: Device of the network.
        loader_processes: Number of processes that decode images; 0 decodes in this process.
        flip_test: See `Verification`.
        on_batch: Called with the number of images of each batch.

    Returns:
        The scored pairs, and the metrics of `identification`.
    """
    verification = Verification(
        pairs, faces.labels.numpy(), faces.preprocessing, device, faces.undetected, flip_test=flip_test
    )
    loader = FaceLoader(faces, batch_size, loader_processes, pin_memory=device.type == "cuda")

    def batches() -> Iterator[FaceSample]:
        for batch in loader:
            yield batch
            on_batch(len(batch.position))

    return verification.score(model, batches())


def score_pairs(
    embeddings: npt.NDArray[np.float64], pairs: VerificationPairs, people: npt.NDArray[np.int64]
) -> ScoredPairs:
    """Score each pair by the cosine of its embeddings; pairs that count as wrong by the worst cosine.

    Args:
        embeddings: Normalised embeddings of shape (N, D).
        pairs: Pairs of these images.
        people: Person of each image by its folder, int64 of shape (N,). If the pairs contradict them, people
            are not known.
    """
    first, second = pairs.images.T
    cosines = np.einsum("nd,nd->n", embeddings[first], embeddings[second])
    scores = np.where(pairs.counted_wrong, np.where(pairs.same, -1.0, 1.0), cosines)
    shown = people[pairs.images]
    if not agree_with_people(pairs.same, shown):  # folders of sets that are shipped as pairs alone
        shown = np.arange(len(shown)).repeat(2).reshape(-1, 2)
    return ScoredPairs(scores, pairs.same, pairs.folds, shown)
