# The worker's image. Its context is the folder that `node scripts/image.mjs` fills; the deployment adds the agent's
# folder. Nothing of the target platform is run while building, so an x86 machine builds for arm64 without emulation.
# BASE may be any image with Node 24, a Lambda runtime client as its entry point, bash and LAMBDA_TASK_ROOT.
# NODE is where that image has its Node.
ARG BASE=public.ecr.aws/lambda/nodejs:24

FROM --platform=$BUILDPLATFORM ${BASE} AS packages
ARG TARGETARCH
WORKDIR /packages
COPY task/package.json ./
RUN npm install --omit=dev --legacy-peer-deps --ignore-scripts --no-audit --no-fund \
      --os=linux --libc=glibc --cpu="$([ "$TARGETARCH" = amd64 ] && echo x64 || echo "$TARGETARCH")"

FROM ${BASE} AS base

FROM base
ARG NODE=/var/lang/bin/node
# The worker's Node may be executed and not read: the kernel then lets nobody but root look into its process, while the
# agent runs as the same user. The agent's own Node is an ordinary copy.
COPY --from=base --chown=0:0 --chmod=0755 ${NODE} ${LAMBDA_TASK_ROOT}/bin/node
COPY --from=base --chown=0:0 --chmod=0111 ${NODE} ${NODE}
COPY --from=packages /packages/node_modules ${LAMBDA_TASK_ROOT}/node_modules
COPY task/ ${LAMBDA_TASK_ROOT}/
CMD ["worker.handler"]
