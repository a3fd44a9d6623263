# syntax=docker/dockerfile:1.12
# Four images from one file; each runs as a user without rights, from a read-only root:
#   docker build --target gateway -t freehold:0.1.0 .         the gateway and the command line
#   docker build --target loadtest -t freehold:0.1.0-loadtest .   and locust, for load tests
#   docker build --target gpu     -t freehold:0.1.0-gpu .     and vLLM for NVIDIA GPUs, with Ray
#   docker build --target cpu     -t freehold:0.1.0-cpu .     and vLLM for CPUs, with Ray
# Packages come from the locks, by hash, as everywhere else; vLLM for GPUs brings the torch that it was built for.

FROM python:3.11.14-slim-bookworm AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 \
    PATH=/freehold/bin:$PATH FREEHOLD_HOME=/var/lib/freehold HOME=/var/lib/freehold
RUN groupadd --gid 10001 freehold \
 && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /var/lib/freehold --shell /usr/sbin/nologin freehold \
 && install -d -o freehold -g freehold /var/lib/freehold
LABEL org.opencontainers.image.title="Freehold" \
      org.opencontainers.image.description="A fleet of open LLMs on your own GPUs behind one OpenAI-compatible endpoint" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="0.1.0"

# ---------------------------------------------------------------------------------------------------- what is installed
FROM base AS light
WORKDIR /src
COPY requirements/base.lock requirements/base.lock
RUN python -m venv /freehold && pip install --no-deps --require-hashes --requirement requirements/base.lock
COPY . .
RUN pip install hatchling==1.33.0 && pip install --no-deps --no-build-isolation . && pip uninstall --yes hatchling

FROM light AS loud
RUN pip install --no-deps --require-hashes --requirement requirements/loadtest.lock

FROM base AS heavy-cpu
WORKDIR /src
COPY requirements requirements
RUN python -m venv /freehold \
 && PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu pip install --no-deps --requirement requirements/torch.txt \
 && pip install --no-deps --require-hashes --requirement requirements/cpu.lock
COPY . .
RUN pip install --no-deps --no-build-isolation .

FROM light AS heavy-gpu
# With the vLLM that this version of Ray names.
RUN pip install "ray[serve,llm]==2.60.0"

# -------------------------------------------------------------------------------------------------------------- images
FROM base AS gateway
COPY --from=light /freehold /freehold
USER 10001:10001
EXPOSE 8080
ENTRYPOINT []
CMD ["freehold", "--help"]

FROM base AS loadtest
COPY --from=loud /freehold /freehold
USER 10001:10001
ENTRYPOINT []
CMD ["freehold", "loadtest", "--help"]

# Debian keeps no old versions, so naming one would only break the next build; the base's date pins them well enough.
FROM base AS cpu
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libnuma1 libgomp1 \
 && rm -rf /var/lib/apt/lists/*
COPY --from=heavy-cpu /freehold /freehold
USER 10001:10001
ENTRYPOINT []
CMD ["freehold", "--help"]

# Triton compiles kernels when they are first used, so a compiler stays.
FROM base AS gpu
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends gcc libc6-dev libnuma1 \
 && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=heavy-gpu /freehold /freehold
USER 10001:10001
ENTRYPOINT []
CMD ["freehold", "--help"]
