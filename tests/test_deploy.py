"""The image of a cluster's nodes, and the cluster on Kubernetes."""

import copy
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from jsonschema import Draft202012Validator, ValidationError

from ray_jobs.jobs import JOBS
from tests.kuberay_schema import SPECS

ROOT = Path(__file__).parents[1]
KUBERNETES = "1.34"
Document = dict[str, Any]


def documents() -> list[Document]:
    return list(yaml.safe_load_all((ROOT / "deploy" / "kuberay.yaml").read_text()))


def cluster() -> Document:
    (found,) = (document for document in documents() if document["kind"] == "RayCluster")
    return found


def pod_templates(document: Document) -> Iterator[Document]:
    spec = document["spec"]
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        yield group["template"]


def check(document: Document) -> None:
    """Raise `ValidationError` for what Kubernetes or KubeRay would refuse."""
    schema = SPECS.get(document["kind"])
    if schema is None:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
        return
    assert document["apiVersion"] == "ray.io/v1"
    assert document.keys() == {"apiVersion", "kind", "metadata", "spec"}
    Draft202012Validator(schema).validate(document["spec"])
    for template in pod_templates(document) if document["kind"] == "RayCluster" else ():
        pod = {"apiVersion": "v1", "kind": "PodTemplate", "metadata": {"name": "pod"}, "template": template}
        kubernetes_validate.validate(pod, KUBERNETES, strict=True)


def ray_version() -> str:
    (found,) = re.findall(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    return str(found)


def test_kuberay__is_what_the_operator_accepts() -> None:
    kinds = [document["kind"] for document in documents()]
    assert kinds == ["PersistentVolumeClaim", "RayCluster", "RayJob"]
    for document in documents():
        check(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["spec", "autoscalerOptions", "idleTimeoutMinutes"], 5),
        (["spec", "headGroupSpec", "rayStartParams", "num-cpus"], 0),
        (["spec", "authOptions", "mode"], "password"),
        (["spec", "headGroupSpec", "template", "spec", "containers", 0, "resource"], {}),
    ],
    ids=["an unknown key", "a number for a string", "an unknown mode", "an unknown key of a container"],
)
def test_kuberay__the_check_refuses(path: list[Any], value: Any) -> None:
    wrong = copy.deepcopy(cluster())
    section: Any = wrong
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    with pytest.raises((ValidationError, kubernetes_validate.ValidationError)):
        check(wrong)


def test_kuberay__all_pods_share_the_storage_run_one_image_and_hold_no_rights() -> None:
    claimed = {document["metadata"]["name"] for document in documents()[:1]}
    images = set()
    for template in pod_templates(cluster()):
        (container,) = template["spec"]["containers"]
        images.add(container["image"])
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        volumes = {volume["name"]: volume for volume in template["spec"]["volumes"]}
        assert mounts["faceml"] == "/mnt/faceml"
        assert volumes["faceml"]["persistentVolumeClaim"]["claimName"] in claimed
        assert volumes["shared-memory"]["emptyDir"]["medium"] == "Memory"
        assert template["spec"]["securityContext"]["runAsNonRoot"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert len(images) == 1


def test_kuberay__asks_for_a_token_and_scales_detectors_to_zero() -> None:
    spec = cluster()["spec"]
    assert spec["rayVersion"] == ray_version()
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    assert {group["groupName"]: group["minReplicas"] for group in spec["workerGroupSpecs"]} == {
        "extract": 0,
        "train": 1,
    }
    gpus = [
        "nvidia.com/gpu" in t["spec"]["containers"][0]["resources"]["limits"]
        for t in pod_templates(cluster())
    ]
    assert gpus == [False, False, True]


def test_kuberay__its_job_runs_on_its_cluster_with_a_shipped_configuration() -> None:
    job = documents()[-1]["spec"]
    assert job["clusterSelector"] == {"ray.io/cluster": cluster()["metadata"]["name"]}
    words = shlex.split(job["entrypoint"])
    assert JOBS[words[2].removeprefix("ray_jobs.")].can_be_submitted
    config = Path(words[words.index("--config") + 1])
    assert (ROOT / config.relative_to("/home/ray/faceml")).is_file()


def test_dockerfile__passes_the_linter() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_dockerfile__has_the_tested_ray_and_copies_what_is_there() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    (base,) = (line for line in lines if line.startswith("FROM "))
    assert base.startswith(f"FROM rayproject/ray:{ray_version()}-py311")
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[2:-1]]
    assert {"faceml", "ray_jobs", "configs", "constraints.txt", "pyproject.toml"} <= set(copied)
    assert [name for name in copied if not (ROOT / name).exists()] == []
