from .base import Config as Config, FrozenDict as FrozenDict, OnEveryNode as OnEveryNode
from .config_error import ConfigError as ConfigError
from .demo import DemoConfig as DemoConfig, build_stages as build_stages
from .evaluate import EvaluateConfig as EvaluateConfig
from .evaluate_landmarks import EvaluateLandmarksConfig as EvaluateLandmarksConfig
from .evaluate_recognition import (
    EvaluateRecognitionConfig as EvaluateRecognitionConfig,
    VerificationSetConfig as VerificationSetConfig,
)
from .export import ExportConfig as ExportConfig, QuantizeConfig as QuantizeConfig
from .extract import (
    CROP_MARGIN as CROP_MARGIN,
    IMAGE_EXTENSIONS as IMAGE_EXTENSIONS,
    EmbedConfig as EmbedConfig,
    ExtractConfig as ExtractConfig,
    LandmarkerConfig as LandmarkerConfig,
    folder_beside as folder_beside,
)
from .loading import (
    apply_overrides as apply_overrides,
    assign_keys as assign_keys,
    check_inputs as check_inputs,
    dotted_keys as dotted_keys,
    dump_config as dump_config,
    dump_yaml as dump_yaml,
    load_config as load_config,
    load_yaml as load_yaml,
    parse_config as parse_config,
    read_mapping as read_mapping,
)
from .paths import (
    local_paths as local_paths,
    refuse_outputs_below as refuse_outputs_below,
    refuse_paths_of_one_node as refuse_paths_of_one_node,
)
from .predict import (
    DetectedFaces as DetectedFaces,
    PredictConfig as PredictConfig,
    WholeFaces as WholeFaces,
)
from .recognition import (
    PairsConfig as PairsConfig,
    RecognitionConfig as RecognitionConfig,
    RecognitionDataConfig as RecognitionDataConfig,
)
from .sections.backbones import TIMM as TIMM, load_architecture as load_architecture
from .sections.losses import (
    CrossEntropyConfig as CrossEntropyConfig,
    LandmarkLossConfig as LandmarkLossConfig,
    LossConfig as LossConfig,
    MarginConfig as MarginConfig,
)
from .sections.model import ModelConfig as ModelConfig
from .sections.runtime import (
    Engine as Engine,
    QueriesConfig as QueriesConfig,
    require_engine as require_engine,
)
from .sections.search_space import (
    Choice as Choice,
    Dimension as Dimension,
    Grid as Grid,
    LogUniform as LogUniform,
    RandInt as RandInt,
    Search as Search,
    Settings as Settings,
    combinations as combinations,
    corners as corners,
    holds as holds,
    in_order as in_order,
    random_variants as random_variants,
)
from .sections.split import SplitConfig as SplitConfig
from .sections.tasks import (
    FOLDER as FOLDER,
    MESH_POINTS as MESH_POINTS,
    ClassificationConfig as ClassificationConfig,
    LandmarksConfig as LandmarksConfig,
    MultilabelConfig as MultilabelConfig,
    RegressionConfig as RegressionConfig,
    TaskConfig as TaskConfig,
    default_tasks as default_tasks,
    load_task_kind as load_task_kind,
    parse_tasks as parse_tasks,
)
from .sections.tracking import SERVERS as SERVERS, SQLITE as SQLITE
from .sections.weighting import (
    ConstantWeighting as ConstantWeighting,
    LearnedWeighting as LearnedWeighting,
    WeightingConfig as WeightingConfig,
)
from .shipped import find_config as find_config, shipped_configs as shipped_configs
from .study import (
    StudyConfig as StudyConfig,
    build_arm_config as build_arm_config,
    refuse_unequal_arms as refuse_unequal_arms,
    with_checked_arms as with_checked_arms,
)
from .synth import SynthConfig as SynthConfig
from .train import (
    AugmentationConfig as AugmentationConfig,
    DataConfig as DataConfig,
    LeakageConfig as LeakageConfig,
    MixingConfig as MixingConfig,
    OptimizerConfig as OptimizerConfig,
    ScalingConfig as ScalingConfig,
    SelectionConfig as SelectionConfig,
    TrainConfig as TrainConfig,
)
from .tune import (
    RetrainConfig as RetrainConfig,
    TrialResources as TrialResources,
    TuneConfig as TuneConfig,
    build_running_trial as build_running_trial,
    build_trial_config as build_trial_config,
    retraining_seeds as retraining_seeds,
)
from .uris import find_uri_mistake as find_uri_mistake, mask_credentials as mask_credentials
