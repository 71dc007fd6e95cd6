"""JSON schema of KubeRay's custom resources, from its API reference (ray.io/v1), without that of pods."""

from typing import Any

STRING, BOOLEAN, INTEGER, NUMBER = ({"type": kind} for kind in ("string", "boolean", "integer", "number"))
STRINGS = {"type": "object", "additionalProperties": STRING}
POD_TEMPLATE: dict[str, Any] = {"type": "object"}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """Return the schema of an object with these properties only."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def _one_of(*values: str) -> dict[str, Any]:
    return {"enum": list(values)}


HEAD_GROUP = _object(
    ("template",),
    template=POD_TEMPLATE,
    headService={"type": "object"},
    enableIngress=BOOLEAN,
    rayStartParams=STRINGS,
    serviceType=STRING,
)
WORKER_GROUP = _object(
    ("groupName", "maxReplicas", "minReplicas", "template"),
    groupName=STRING,
    replicas=INTEGER,
    minReplicas=INTEGER,
    maxReplicas=INTEGER,
    idleTimeoutSeconds=INTEGER,
    rayStartParams=STRINGS,
    template=POD_TEMPLATE,
    scaleStrategy=_object(workersToDelete={"type": "array", "items": STRING}),
    numOfHosts=INTEGER,
    suspend=BOOLEAN,
)
RAY_CLUSTER = _object(
    ("headGroupSpec",),
    rayVersion=STRING,
    authOptions=_object(mode=_one_of("disabled", "token"), enableK8sTokenAuth=BOOLEAN),
    enableInTreeAutoscaling=BOOLEAN,
    autoscalerOptions=_object(
        resources={"type": "object"},
        image=STRING,
        imagePullPolicy=STRING,
        securityContext={"type": "object"},
        idleTimeoutSeconds=INTEGER,
        upscalingMode=_one_of("Default", "Aggressive", "Conservative"),
        version=_one_of("v1", "v2"),
        env={"type": "array"},
        envFrom={"type": "array"},
        volumeMounts={"type": "array"},
    ),
    headServiceAnnotations=STRINGS,
    gcsFaultToleranceOptions={"type": "object"},
    headGroupSpec=HEAD_GROUP,
    workerGroupSpecs={"type": "array", "items": WORKER_GROUP},
    managedBy=STRING,
    suspend=BOOLEAN,
)
RAY_JOB = _object(
    activeDeadlineSeconds=INTEGER,
    backoffLimit=INTEGER,
    clusterSelector=STRINGS,
    deletionStrategy={"type": "object"},
    entrypoint=STRING,
    entrypointNumCpus=NUMBER,
    entrypointNumGpus=NUMBER,
    entrypointResources=STRING,
    jobId=STRING,
    managedBy=STRING,
    metadata=STRINGS,
    rayClusterSpec=RAY_CLUSTER,
    runtimeEnvYAML=STRING,
    shutdownAfterJobFinishes=BOOLEAN,
    submissionMode=_one_of("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode"),
    submitterConfig=_object(backoffLimit=INTEGER),
    submitterPodTemplate=POD_TEMPLATE,
    suspend=BOOLEAN,
    ttlSecondsAfterFinished=INTEGER,
)
SPECS = {"RayCluster": RAY_CLUSTER, "RayJob": RAY_JOB}
"""Schemas of `spec` by kind."""
