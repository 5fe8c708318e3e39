#!/usr/bin/env bash
# Tells what this machine is:
#
#     docker/instance.sh target [TARGET]  what to compile and build for: cpu, torch-cpu, gpu, inf1, inf2, trn1
#                                         or trn2
#     docker/instance.sh devices TARGET   options of docker run that pass the devices of a target on
#     docker/instance.sh region           the AWS region
#
# A target that is given, or is in BERTQA_TARGET, is taken; `auto` and none are found out, from the instance type (by
# EC2's metadata service, or the firmware's tables), from nvidia-smi, and else it is cpu. The region is AWS_REGION,
# AWS_DEFAULT_REGION, the one that aws is configured for, or the instance's.
set -euo pipefail

targets="cpu, torch-cpu, gpu, inf1, inf2, trn1 or trn2"
# Where /dev and /sys are.
root=${BERTQA_MACHINE_ROOT:-}

fail() {
    echo "instance.sh: $1" >&2
    exit 1
}

# EC2's metadata service, version 2: anything about the instance, for a token. Fails where there is none.
metadata() {
    local endpoint=${AWS_EC2_METADATA_SERVICE_ENDPOINT:-http://169.254.169.254} token
    if [[ ${AWS_EC2_METADATA_DISABLED:-} == true ]]; then return 1; fi
    local ask=(curl --silent --fail --noproxy '*' --connect-timeout 1 --max-time 3)
    token=$("${ask[@]}" --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "${endpoint%/}/latest/api/token") \
        && "${ask[@]}" --header "X-aws-ec2-metadata-token: $token" "${endpoint%/}/latest/meta-data/$1"
}

instance_type() {
    # The firmware of EC2's instances gives their type as the name of the product.
    metadata instance-type || cat "$root/sys/devices/virtual/dmi/id/product_name" 2> /dev/null || true
}

neuron_devices() { compgen -G "$root/dev/neuron[0-9]*" | sort -V; }

find_target() {
    local kind
    kind=$(instance_type)
    case $kind in
        inf1.* | inf2.* | trn1.* | trn2.*) echo "${kind%%.*}" ;;
        trn1n.*) echo trn1 ;;
        trn2u.*) echo trn2 ;;
        trn*.*) fail "there is nothing for instances of type $kind; BERTQA_TARGET=cpu runs on their processor" ;;
        *)
            if neuron_devices > /dev/null; then
                fail "there are Neuron devices, of a kind that could not be detected; set BERTQA_TARGET to inf1, inf2, trn1 or trn2"
            elif nvidia-smi --list-gpus 2> /dev/null | grep --quiet '^GPU'; then
                echo gpu
            else
                echo cpu
            fi
            ;;
    esac
}

target() {
    local wanted=${1:-auto}
    if [[ $wanted == auto ]]; then wanted=${BERTQA_TARGET:-auto}; fi
    case $wanted in
        auto) find_target ;;
        cpu | torch-cpu | gpu | inf1 | inf2 | trn1 | trn2) echo "$wanted" ;;
        *) fail "there is no target $wanted; it is auto, $targets" ;;
    esac
}

devices() {
    case $1 in
        cpu | torch-cpu) ;;
        gpu) echo --gpus=all ;;
        inf1 | inf2 | trn1 | trn2)
            neuron_devices | sed "s|^$root|--device=|" | paste --serial --delimiters=' ' \
                || fail "there is no /dev/neuron* here; is this an instance of type $1, with the driver aws-neuronx-dkms?"
            ;;
        *) fail "there is no target $1; it is $targets" ;;
    esac
}

region() {
    local found=${AWS_REGION:-${AWS_DEFAULT_REGION:-}}
    if [[ -z $found ]]; then found=$(aws configure get region 2> /dev/null || metadata placement/region || true); fi
    [[ -n $found ]] || fail "cannot detect the AWS region; set AWS_REGION"
    echo "$found"
}

case ${1:-} in
    target) target "${2:-}" ;;
    devices) devices "${2:?usage: docker/instance.sh devices TARGET}" ;;
    region) region ;;
    *)
        sed -n '2,/^set /s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
