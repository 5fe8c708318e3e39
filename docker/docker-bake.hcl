# Images for each target. Every variable can be set in the environment:
#
#     docker buildx bake --file docker/docker-bake.hcl cpu                   # bertqa:cpu, the native engine
#     PLATFORMS=linux/amd64,linux/arm64 docker buildx bake --file docker/docker-bake.hcl cpu
#     MODEL=deepset/roberta-base-squad2 docker buildx bake --file docker/docker-bake.hcl inf1
#     INF2_BASE=... docker buildx bake --file docker/docker-bake.hcl inf2    # another image of AWS's

# Where images go: their names without the tag, which is the target.
variable "REPOSITORY" {
  default = "bertqa"
}

# What the cpu image is built in and has its C library from, and the Rust of all builds.
variable "DEBIAN" {
  default = "debian:bookworm-slim"
}
variable "RUST" {
  default = "rust:1.95-slim-bookworm"
}
# A folder with a Rust toolchain (rustc --print sysroot) instead of that image.
variable "TOOLCHAIN" {
  default = ""
}
# Those of the cpu image, separated by commas; without any, the builder's own. Nothing is emulated: what is for another
# processor is compiled across.
variable "PLATFORMS" {
  default = ""
}

# Bases with Python 3. The ones for devices are AWS's Deep Learning Containers, from its public registry; images of a
# region's own registry (ACCOUNT.dkr.ecr.REGION.amazonaws.com/...) do as well.
variable "TORCH_CPU_BASE" {
  default = "python:3.12-slim-bookworm"
}
variable "GPU_BASE" {
  default = "public.ecr.aws/deep-learning-containers/pytorch-inference:2.6.0-gpu-py312-cu124-ubuntu22.04-ec2"
}
variable "INF1_BASE" {
  default = "public.ecr.aws/neuron/pytorch-inference-neuron:1.13.1-neuron-py310-sdk2.20.2-ubuntu20.04"
}
# The last SDK whose images have torch_neuronx.
variable "INF2_BASE" {
  default = "public.ecr.aws/neuron/pytorch-inference-neuronx:2.9.0-neuronx-py312-sdk2.31.1-ubuntu24.04"
}
variable "TRN1_BASE" {
  default = INF2_BASE
}
variable "TRN2_BASE" {
  default = INF2_BASE
}

# For bases without a torch.
variable "TORCH_VERSION" {
  default = "2.13.0"
}
variable "TORCH_INDEX" {
  default = "https://download.pytorch.org/whl/cpu"
}

# A hub id; empty for the built-in model. The cpu image fetches it when it starts. For the others it is compiled in the
# build, to which HF_TOKEN is passed on.
variable "MODEL" {
  default = ""
}
# More options of docker/trace.py, such as "--batch-size 4 --precision f16".
variable "TRACE_ARGS" {
  default = ""
}
# A folder that docker/trace.py wrote, instead of compiling in the build, where there are no devices to check on.
variable "COMPILED" {
  default = ""
}

group "default" {
  targets = ["cpu"]
}

target "cpu" {
  context    = "."
  dockerfile = "docker/Dockerfile"
  target     = "cpu"
  platforms  = PLATFORMS == "" ? [] : split(",", PLATFORMS)
  contexts   = TOOLCHAIN == "" ? {} : { toolchain = TOOLCHAIN }
  tags       = ["${REPOSITORY}:cpu"]
  args = {
    DEBIAN = DEBIAN
    RUST   = RUST
    MODEL  = MODEL
  }
}

target "toolchain" {
  inherits  = ["cpu"]
  target    = "toolchain"
  platforms = []
  tags      = []
}

target "_image" {
  name       = "_${item}"
  matrix     = { item = ["torch-cpu", "gpu", "inf1", "inf2", "trn1", "trn2"] }
  context    = "."
  dockerfile = "docker/torch.Dockerfile"
  # Devices are in machines of this kind; without any, the builder's own.
  platforms = item == "torch-cpu" ? [] : ["linux/amd64"]
  args = {
    # As docker/trace.py has it.
    TARGET = item == "torch-cpu" ? "cpu" : item
    BASE = {
      torch-cpu = TORCH_CPU_BASE
      gpu       = GPU_BASE
      inf1      = INF1_BASE
      inf2      = INF2_BASE
      trn1      = TRN1_BASE
      trn2      = TRN2_BASE
    }[item]
    TORCH_VERSION = TORCH_VERSION
    TORCH_INDEX   = TORCH_INDEX
  }
}

# bertqa with a compiled model.
target "run" {
  name     = item
  matrix   = { item = ["torch-cpu", "gpu", "inf1", "inf2", "trn1", "trn2"] }
  inherits = ["_${item}"]
  target   = "run"
  contexts = merge(
    { toolchain = TOOLCHAIN == "" ? "target:toolchain" : TOOLCHAIN },
    COMPILED == "" ? {} : { model = COMPILED },
  )
  secret = ["id=hf_token,env=HF_TOKEN"]
  tags   = ["${REPOSITORY}:${item}"]
  args = {
    MODEL      = MODEL
    TRACE_ARGS = TRACE_ARGS
  }
}

# docker/trace.py, to compile models where the device is.
target "trace" {
  name     = "trace-${item}"
  matrix   = { item = ["torch-cpu", "gpu", "inf1", "inf2", "trn1", "trn2"] }
  inherits = ["_${item}"]
  target   = "trace"
  tags     = ["${REPOSITORY}:trace-${item}"]
}
