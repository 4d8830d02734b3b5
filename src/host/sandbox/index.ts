// The wall around a host on one machine: which one there is, what is started in it, what it may reach and use.
export { detectSandbox } from './detect.ts';
export { type Forward, type Forwards, forwardLoopback, openForwards, SOCKETS_VARIABLE } from './forward.ts';
export { DEFAULT_LIMITS, limitsSchema, type SandboxLimits } from './limits.ts';
export { type NetworkSetting, networkSchema } from './network-setting.ts';
export { endOrphans } from './orphans.ts';
export { programPaths } from './program-paths.ts';
export type {
  NoSandbox,
  Sandbox,
  SandboxEnd,
  SandboxedProcess,
  SandboxNotice,
  StartOptions,
} from './sandbox.ts';
export { startInSandbox } from './start.ts';
