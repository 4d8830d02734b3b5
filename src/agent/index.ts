// The Claude Agent SDK as this package runs it: the folder that makes an agent, the runner of its turns, the place
// they run in, and the demo model.
import '../node-version.ts';

export { type AgentFolder, loadAgentFolder } from './agent-folder.ts';
export type { CliSandbox } from './cli-sandbox.ts';
export { createDemoModel, type DemoModel } from './demo-model.ts';
export { type AgentRunnerOptions, createAgentRunner, type ModelEndpoint } from './runner.ts';
export { describePolicy } from './tool-policy.ts';
export { createWorkplace, type WorkplaceOptions } from './workplace.ts';
