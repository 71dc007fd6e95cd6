from .evaluation.mistakes import mistake_tiles as mistake_tiles
from .evaluation.model_card import model_card as model_card
from .evaluation.model_comparison import (
    compare_models as compare_models,
    read_predictions as read_predictions,
)
from .evaluation.report import (
    EmbeddingMap as EmbeddingMap,
    EvaluationFindings as EvaluationFindings,
    evaluate_tasks as evaluate_tasks,
    evaluation_chapter as evaluation_chapter,
    evaluation_summary as evaluation_summary,
)
from .export.report import (
    checks_line as checks_line,
    export_chapter as export_chapter,
    export_summary as export_summary,
    files_table as files_table,
    quantization_table as quantization_table,
)
from .extraction.quality_tables import quality_tables as quality_tables
from .extraction.report import extraction_chapter as extraction_chapter
from .extraction.speed import ExtractionSpeed as ExtractionSpeed
from .extraction.summary import (
    COUNTED_COLUMNS as COUNTED_COLUMNS,
    ExtractionSummary as ExtractionSummary,
    folder_table as folder_table,
    look_tables as look_tables,
    read_summary as read_summary,
    rejected_tables as rejected_tables,
    source_tables as source_tables,
    status_table as status_table,
    summarize_table as summarize_table,
)
from .localisation.findings import (
    LandmarkFindings as LandmarkFindings,
    landmark_summary as landmark_summary,
)
from .localisation.report import (
    difference_sentence as difference_sentence,
    landmark_chapter as landmark_chapter,
)
from .localisation.tables import (
    points_table as points_table,
    result_table as result_table,
)
from .provenance import (
    data_fact as data_fact,
    model_facts as model_facts,
    provenance as provenance,
)
from .recognition.diagnosis import diagnose_recognition as diagnose_recognition
from .recognition.report import (
    WATCHED as WATCHED,
    recognition_chapter as recognition_chapter,
    recognition_table as recognition_table,
    undetected_sentence as undetected_sentence,
    verification_line as verification_line,
)
from .recognition.study import (
    ArmRun as ArmRun,
    study_answer as study_answer,
    study_chapter as study_chapter,
    study_summary as study_summary,
    study_table as study_table,
    verdict as verdict,
)
from .search.board import TrialBoard as TrialBoard
from .search.report import tuning_chapter as tuning_chapter
from .search.tables import result_tables as result_tables
from .training.diagnosis import (
    TrainingDiagnosis as TrainingDiagnosis,
    diagnose_multitask as diagnose_multitask,
)
from .training.plan import (
    FirstEstimate as FirstEstimate,
    build_training_plan as build_training_plan,
    start_line as start_line,
    training_banner as training_banner,
)
from .training.report import training_chapter as training_chapter
from .training.summary import (
    best_first as best_first,
    best_record as best_record,
    epochs_table as epochs_table,
    multitask_columns as multitask_columns,
    training_summary as training_summary,
    watched_figures as watched_figures,
    watched_metrics as watched_metrics,
)
from .verification.attributes import (
    extreme_pairs as extreme_pairs,
    pair_groups as pair_groups,
)
from .verification.findings import (
    ModelScores as ModelScores,
    SetFindings as SetFindings,
    VerificationFindings as VerificationFindings,
    comparison_sentence as comparison_sentence,
    verification_summary as verification_summary,
)
from .verification.report import verification_chapter as verification_chapter
from .verification.tables import (
    true_accepts_table as true_accepts_table,
    verification_table as verification_table,
)
