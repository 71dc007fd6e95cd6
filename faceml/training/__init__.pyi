from .checkpoint import MODEL_FILE as MODEL_FILE, STATE_FILE as STATE_FILE, read_state as read_state
from .evaluation import Evaluation as Evaluation, EvaluationResult as EvaluationResult
from .faces import (
    Faces as Faces,
    batches_per_epoch as batches_per_epoch,
    build_cached_faces as build_cached_faces,
    build_faces as build_faces,
    open_split as open_split,
    steps_per_epoch as steps_per_epoch,
)
from .loop import Trainer as Trainer
from .multitask import build_multitask_trainer as build_multitask_trainer
from .observer import (
    Arrays as Arrays,
    EpochRecord as EpochRecord,
    Metrics as Metrics,
    NonFiniteStep as NonFiniteStep,
    StepRecord as StepRecord,
)
from .precision import (
    AUTOCAST_DTYPES as AUTOCAST_DTYPES,
    Precision as Precision,
    choose_precision as choose_precision,
    slow_precision_warning as slow_precision_warning,
)
from .predictions import (
    Embeddings as Embeddings,
    EmbeddingSample as EmbeddingSample,
    Predictions as Predictions,
)
from .process_setup import device_name as device_name, set_up_process as set_up_process
from .recognition import (
    People as People,
    build_people as build_people,
    build_recognition_trainer as build_recognition_trainer,
    recognition_steps as recognition_steps,
)
from .recognition_objective import RecognitionObjective as RecognitionObjective
from .step import TrainingStep as TrainingStep
from .trained_model import (
    TrainedModel as TrainedModel,
    is_recognition as is_recognition,
    load_trained_model as load_trained_model,
    load_trained_recognition as load_trained_recognition,
)
from .verification.embedding_network import (
    EmbeddingNetwork as EmbeddingNetwork,
    load_embedding_network as load_embedding_network,
)
from .verification.measures import (
    EVALUATED_RATES as EVALUATED_RATES,
    evaluation_metrics as evaluation_metrics,
    group_accuracies as group_accuracies,
    true_accept_name as true_accept_name,
    verification_intervals as verification_intervals,
)
from .verification.pairs_table import (
    read_facts as read_facts,
    read_pairs_table as read_pairs_table,
    write_pairs as write_pairs,
)
from .verification.scoring import (
    Verification as Verification,
    score_pairs as score_pairs,
    score_split as score_split,
)
from .verification.verification_set import (
    VerificationSet as VerificationSet,
    open_pairs as open_pairs,
    open_people as open_people,
)
from .workers import epoch_seed as epoch_seed
