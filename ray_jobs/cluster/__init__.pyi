from .connection import (
    RayCluster as RayCluster,
    require_reach as require_reach,
)
from .environment import prepare_environment as prepare_environment
from .events import EventChannel as EventChannel, EventSender as EventSender
from .exit_status import (
    SignalExit as SignalExit,
    exit_at_errors as exit_at_errors,
    interrupt_at_signals as interrupt_at_signals,
)
from .local_ray import data_without_helpers as data_without_helpers
from .log import set_up_log as set_up_log, writes_json as writes_json
from .placement import (
    Bundle as Bundle,
    cluster_nodes as cluster_nodes,
    count_placed as count_placed,
    refuse_unplaceable as refuse_unplaceable,
    require_resources as require_resources,
    worker_bundle as worker_bundle,
)
from .prometheus import ShardMetrics as ShardMetrics, TrainingMetrics as TrainingMetrics
from .ray_internals import (
    CHECKPOINT_LIST_FILE as CHECKPOINT_LIST_FILE,
    HEAD_NODE_RESOURCE as HEAD_NODE_RESOURCE,
    build_torch_trainer as build_torch_trainer,
    connect_job_client as connect_job_client,
    placement_group as placement_group,
    quieten_upload as quieten_upload,
    read_upload_excludes as read_upload_excludes,
)
