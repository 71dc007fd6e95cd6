# Image of all cluster nodes: tested dependency versions, faceml, and MediaPipe's landmark model.
#   docker build --tag REGISTRY/faceml:0.1.0 .
# Python 3.11 and Ray. PyTorch includes CUDA, and also runs on nodes without a GPU.
FROM rayproject/ray:2.60.0-py311

USER 0
# Libraries of MediaPipe. Versions are not pinned, because the distribution keeps only the newest.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libegl1 libgl1 libgles2 \
    && rm --recursive --force /var/lib/apt/lists/*

USER 1000
WORKDIR /home/ray/faceml
COPY --chown=ray:users constraints.txt pyproject.toml README.md LICENSE ./
COPY --chown=ray:users faceml faceml
COPY --chown=ray:users ray_jobs ray_jobs
COPY --chown=ray:users configs configs
RUN pip install --no-cache-dir --constraint constraints.txt '.[cluster,export,landmark-model,litert,mlflow,search,timm]'
