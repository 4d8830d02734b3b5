// Agents apart from the worker: a function without rights, each of whose environments serves one session, and a gateway, which
// is its way to the model and its worker's way to it. The function that runs agents is found by its name in the logs, and by
// nobody else: only the worker may invoke it.
import { Duration } from 'aws-cdk-lib';
import { type FunctionUrl, FunctionUrlAuthType, InvokeMode, TenancyConfig } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { VARIABLES } from '../lambda/variables.ts';
import { SERVER_LIST_FILE, type ServerList, writtenServerLists } from '../tool-servers/server-list.ts';
import { allowGatewayItems, allowSignIns, allowVault } from './access.ts';
import { machineOf, machineVariables, withAgentImage } from './agent-machine.ts';
import type { Assets } from './assets.ts';
import type { Data } from './data.ts';
import { type FunctionProps, LoggedFunction } from './functions.ts';
import { allowModel, modelVariables } from './model.ts';
import type { ModelProps, WorkerProps } from './props.ts';
import { hasSignIns } from './tool-servers.ts';

export interface IsolatedAgentsProps extends Pick<FunctionProps, 'architecture' | 'logRetention'> {
  readonly installation: string;
  readonly machine: WorkerProps;
  readonly timeout: Duration;
  readonly model: ModelProps;
  /** Name of the parameter that holds what the tokens for the gateway are signed with. */
  readonly secretParameter: string;
  /** What the names of parameters with credentials of tools begin with. */
  readonly vault: string;
  /** Whether tenants may have keys of their own. */
  readonly hasTenants: boolean;
  readonly toolServers: Readonly<Record<string, ServerList>>;
  readonly assets: Assets;
  readonly data: Data;
}

/** A model may think for as long as its turn runs. */
const GATEWAY_TIMEOUT = Duration.minutes(15);

export class IsolatedAgents extends Construct {
  readonly host: LoggedFunction;
  readonly gateway: LoggedFunction;
  readonly gatewayUrl: FunctionUrl;
  readonly secretParameter: string;
  readonly hasSignIns: boolean;

  constructor(scope: Construct, id: string, props: IsolatedAgentsProps) {
    super(scope, id);
    const { architecture, logRetention, installation, assets, data, machine, secretParameter, toolServers } =
      props;
    const common = { architecture, logRetention };
    this.secretParameter = secretParameter;
    this.hasSignIns = hasSignIns(toolServers);
    this.host = withAgentImage(
      this,
      assets,
      machine.image,
      'agent-host.handler',
      (image) =>
        new LoggedFunction(this, 'AgentHost', {
          ...common,
          ...machineOf(machine, image),
          description: 'Runs agents: each session in environments of its own, with no right but to log.',
          timeout: props.timeout,
          tenancy: TenancyConfig.PER_TENANT,
          environment: {
            [VARIABLES.installation]: installation,
            [VARIABLES.soleUser]: 'true',
            ...machineVariables(machine),
          },
        }),
    );
    this.gateway = new LoggedFunction(this, 'Gateway', {
      ...common,
      description: "Agents' way to the model, and workers' to their agents: for the tokens of running turns.",
      code: assets.functionsWith(SERVER_LIST_FILE, writtenServerLists(toolServers)),
      handler: 'gateway.handler',
      memoryMb: 256,
      timeout: GATEWAY_TIMEOUT,
      environment: {
        [VARIABLES.installation]: installation,
        [VARIABLES.mappingTable]: data.mapping.tableName,
        [VARIABLES.stateTable]: data.state.tableName,
        [VARIABLES.gatewaySecretParameter]: secretParameter,
        [VARIABLES.vault]: props.vault,
        ...modelVariables(props.model),
      },
    });
    allowGatewayItems(this.gateway.role, data);
    allowModel(this.gateway.role, props.model, [secretParameter]);
    allowVault(this.gateway.role, props.vault, props.hasTenants);
    if (this.hasSignIns) allowSignIns(this.gateway.role, props.vault, props.hasTenants);
    this.gatewayUrl = this.gateway.lambda.addFunctionUrl({
      authType: FunctionUrlAuthType.NONE,
      invokeMode: InvokeMode.RESPONSE_STREAM,
    });
  }
}
