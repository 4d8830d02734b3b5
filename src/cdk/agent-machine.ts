// The function in which agents run, as a machine: its image, memory and disk.
import type { DockerImageCode } from 'aws-cdk-lib/aws-lambda';
import type { Construct } from 'constructs';
import { VARIABLES } from '../lambda/variables.ts';
import type { Assets } from './assets.ts';
import type { LoggedFunction } from './functions.ts';
import type { WorkerProps } from './props.ts';

const MEMORY_MB = 2048;
const EPHEMERAL_STORAGE_MB = 2048;

export function machineOf(props: WorkerProps, image: DockerImageCode) {
  const { memoryMb = MEMORY_MB, ephemeralStorageMb = EPHEMERAL_STORAGE_MB } = props;
  return { image, memoryMb, ephemeralStorageMb };
}

export function machineVariables({
  ephemeralStorageMb = EPHEMERAL_STORAGE_MB,
}: WorkerProps): Record<string, string> {
  return {
    [VARIABLES.temporary]: '/tmp',
    // Half of the disk: the other half is for the checkpoint being written and the agent's own files.
    [VARIABLES.maxWorkspaceBytes]: String((ephemeralStorageMb / 2) * 1024 ** 2),
  };
}

/** What the worker knows of the function that runs its agents. */
export function agentVariables({
  hotIdleMinutes,
  memoryMb = MEMORY_MB,
}: WorkerProps): Record<string, string> {
  return {
    [VARIABLES.agentMemoryMb]: String(memoryMb),
    ...(hotIdleMinutes === undefined ? {} : { [VARIABLES.hotIdleMinutes]: String(hotIdleMinutes) }),
  };
}

/** Makes a function of the image: the one given, or this package's with `handler`. */
export function withAgentImage(
  scope: Construct,
  assets: Assets,
  given: DockerImageCode | undefined,
  handler: string,
  make: (image: DockerImageCode) => LoggedFunction,
): LoggedFunction {
  if (given) return make(given);
  const image = assets.agentImage(handler);
  const made = make(image.code);
  // CDK has its own copy by now, unless its staging is switched off.
  if (!scope.node.tryGetContext('aws:cdk:disable-asset-staging')) image.removeContext();
  return made;
}
