# Images of bertqa with a traced or compiled model for one target: torch-cpu, gpu, inf1, inf2, trn1 or trn2.
# docker-bake.hcl has the bases and versions:
#
#     docker buildx bake --file docker/docker-bake.hcl inf2
#
#     base       the image's Python and torch
#     trace      and docker/trace.py, to compile models where the device is (docker/compile.sh)
#     compile    compiles a model as part of the build
#     model      its folder, or one that was compiled before: the build context of this name replaces the stage
#     toolchain  a build context with Rust: the stage of docker/Dockerfile, or a folder (`rustc --print sysroot`)
#     build      bertqa, for the torch of the image
#     run        bertqa and the model

ARG BASE

# hadolint ignore=DL3006
FROM ${BASE} AS base
# AWS's images bring the torch that fits their devices.
ARG TORCH_VERSION
ARG TORCH_INDEX
RUN if ! python3 -c 'import torch' 2> /dev/null; then \
        python3 -m pip install --no-cache-dir --index-url "$TORCH_INDEX" torch=="$TORCH_VERSION"; \
    fi \
    && useradd --create-home --user-group --uid 10001 bertqa

FROM base AS trace
ARG TARGET
COPY docker/requirements/${TARGET}.txt /opt/bertqa/requirements.txt
RUN python3 -m pip install --no-cache-dir --requirement /opt/bertqa/requirements.txt
COPY docker/trace.py /opt/bertqa/
COPY docker/tracing /opt/bertqa/tracing
# Of any user: docker/compile.sh runs it as whoever calls it.
ENV HOME=/tmp
WORKDIR /work
USER 10001
ENTRYPOINT ["python3", "/opt/bertqa/trace.py"]

FROM trace AS compile
ARG TARGET
# A hub id; empty for the default model.
ARG MODEL
ARG TRACE_ARGS
COPY models/default models/default
COPY tokenizer tokenizer
# A build has no devices: what is compiled for Neuron is checked as far as that goes.
# hadolint ignore=SC2086
RUN --mount=type=secret,id=hf_token,uid=10001 \
    if [ -s /run/secrets/hf_token ]; then HF_TOKEN=$(cat /run/secrets/hf_token); export HF_TOKEN; fi; \
    set -- models/default --tokenizer tokenizer --name bertqa-default; \
    if [ -n "$MODEL" ]; then set -- "$MODEL"; fi; \
    case $TARGET in inf* | trn*) set -- "$@" --compile-only ;; esac; \
    python3 /opt/bertqa/trace.py "$TARGET" "$@" --output /tmp/model $TRACE_ARGS

FROM scratch AS model
COPY --from=compile /tmp/model /

FROM base AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends build-essential ca-certificates \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
ARG TARGET
# tch fits one torch a version, and links it as the image's Python does: from its folder, with its C++ ABI. Nothing in
# the program names CUDA's part of torch, which the linker would leave out; libtorch.so pulls it in.
RUN --mount=type=bind,from=toolchain,target=/opt/rust \
    --mount=type=cache,target=/root/.cargo/registry \
    --mount=type=cache,target=/src/target,id=bertqa-target-${TARGET} \
    PATH=/opt/rust/bin:$PATH \
    && LIBTORCH=$(python3 -c 'import torch; print(torch.__path__[0])') \
    && LIBTORCH_CXX11_ABI=$(python3 -c 'import torch; print(int(torch.compiled_with_cxx11_abi()))') \
    && export LIBTORCH LIBTORCH_CXX11_ABI LD_LIBRARY_PATH="$LIBTORCH/lib:${LD_LIBRARY_PATH:-}" \
    && tch=$(docker/tch.sh "$(python3 -c 'import torch; print(torch.__version__.split("+")[0])')") \
    && cargo update tch --precise "$tch" \
    && cargo rustc --release --locked --features stores,torch --bin bertqa -- -C link-arg="-Wl,-rpath,$LIBTORCH/lib" \
        -C link-arg="-L$LIBTORCH/lib" -C link-arg=-Wl,--no-as-needed -C link-arg=-ltorch \
    && install -D target/release/bertqa /opt/bertqa/bin/bertqa

FROM base AS run
COPY --from=build /opt/bertqa/bin/bertqa /usr/local/bin/bertqa
COPY --from=model / /model/
# A library that is missing shows here, and not at the first start.
RUN bertqa --version
ENV BERTQA_MODEL=/model BERTQA_HOST=0.0.0.0 BERTQA_PORT=8080
EXPOSE 8080
USER 10001:10001
WORKDIR /home/bertqa
# Neuron's runtime takes minutes to load large models onto many cores.
HEALTHCHECK --interval=10s --timeout=6s --start-period=300s --retries=3 \
    CMD ["bertqa", "health"]
ENTRYPOINT ["bertqa"]
CMD ["serve"]
