#!/usr/bin/env bash
# Pushes the image of a target to the Amazon ECR of an account, where the repository is made if there is none:
#
#     docker/push.sh [TARGET|auto]
#
# The account is AWS_ACCOUNT_ID or that of aws's credentials; the region as docker/instance.sh finds it.
set -euo pipefail
cd "$(dirname "$0")/.."

target=$(docker/instance.sh target "${1:-auto}")
region=$(docker/instance.sh region)
account=${AWS_ACCOUNT_ID:-$(aws sts get-caller-identity --query Account --output text)}
domain=amazonaws.com
if [[ $region == cn-* ]]; then domain=amazonaws.com.cn; fi
registry=$account.dkr.ecr.$region.$domain
image=${REPOSITORY:-bertqa}

aws ecr get-login-password --region "$region" | docker login --username AWS --password-stdin "$registry"
aws ecr describe-repositories --region "$region" --repository-names "$image" > /dev/null 2>&1 \
    || aws ecr create-repository --region "$region" --repository-name "$image" > /dev/null
docker tag "$image:$target" "$registry/$image:$target"
docker push "$registry/$image:$target"
