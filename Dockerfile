# syntax=docker/dockerfile:1
# The release pipeline pins the base with --build-arg BASE_DIGEST=sha256:...; without it, the tag decides.
ARG BASE_IMAGE=python:3.11-slim-bookworm
ARG BASE_DIGEST=

FROM ${BASE_IMAGE}${BASE_DIGEST:+@${BASE_DIGEST}} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONHASHSEED=0
WORKDIR /src
COPY requirements/dev.lock requirements/runtime.lock requirements/

# The locked dependencies, hashes checked, in an environment that holds no pip of its own.
RUN python -m venv --without-pip /opt/placewright \
    && python -m pip --python /opt/placewright/bin/python install --quiet --no-compile --no-deps \
        --only-binary=:all: --require-hashes -r requirements/runtime.lock

# The build backend comes from the lock too; it stays in this stage.
RUN awk '/^[a-z]/ {keep = /^(hatchling|packaging|pathspec|pluggy|trove-classifiers)==/} keep' \
        requirements/dev.lock > build.lock \
    && python -m venv /build \
    && /build/bin/python -m pip install --quiet --no-deps --only-binary=:all: --require-hashes -r build.lock

COPY pyproject.toml README.md LICENSE ./
COPY operator operator
RUN /build/bin/python -m pip wheel --quiet --no-deps --no-build-isolation --no-index --wheel-dir /wheels . \
    && python -m pip --python /opt/placewright/bin/python install --quiet --no-compile --no-deps --no-index \
        /wheels/*.whl

# Other people's tests are dead weight. Bytecode is made here, since nothing can be written at run time, and is
# trusted by its content: layers do not keep the times of files exactly.
RUN find /opt/placewright/lib -type d '(' -name tests -o -name test ')' -prune -exec rm -rf '{}' + \
    && /opt/placewright/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/placewright/lib

# The solver's kernels, compiled for any CPU of the architecture: the machine that builds is not the one that runs.
RUN NUMBA_CPU_NAME=generic NUMBA_CACHE_DIR=/opt/placewright/compiled \
    /opt/placewright/bin/python -c 'from placewright.core.warm import warm; warm()'

FROM ${BASE_IMAGE}${BASE_DIGEST:+@${BASE_DIGEST}}
ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="Placewright" \
    org.opencontainers.image.description="Finds, proves and explains the cheapest GPU layout for serving an LLM." \
    org.opencontainers.image.licenses="Apache-2.0" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"

COPY --from=build /opt/placewright /opt/placewright
COPY LICENSE /licenses/LICENSE
COPY --chmod=0555 <<'EOF' /usr/local/bin/placewright-entrypoint
#!/bin/sh
# numba reads compiled kernels only from a folder that it may also write to, so the ones made at build time are
# copied once to the one place that is writable when the root is read-only.
set -eu
if [ ! -d "$NUMBA_CACHE_DIR" ]; then
  fresh="$NUMBA_CACHE_DIR.$$"
  if ! { cp -R /opt/placewright/compiled "$fresh" && chmod -R u+w "$fresh" && mv "$fresh" "$NUMBA_CACHE_DIR"; }; then
    echo "placewright: cannot write $NUMBA_CACHE_DIR; mount a volume at /tmp (docker run --tmpfs /tmp)" >&2
    exit 1
  fi
fi
exec /opt/placewright/bin/placewright "$@"
EOF

# HOME and USER stand in for an entry in /etc/passwd, which an arbitrary number has not.
ENV PATH=/opt/placewright/bin:$PATH \
    HOME=/tmp \
    USER=placewright \
    NUMBA_CACHE_DIR=/tmp/placewright-kernels \
    NUMBA_CPU_NAME=generic \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    PYTHONUNBUFFERED=1
WORKDIR /
# A number, so that Kubernetes can see that it is not root. Any other number works as well.
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/local/bin/placewright-entrypoint"]
CMD ["--help"]
