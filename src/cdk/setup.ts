// Steps that run once at deployment and are undone when the stack is deleted: secrets that nobody has to choose are
// generated before anything needs them, and the channels' platforms are told where to send messages.
import { CustomResource, Duration } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import type { EncodedSettings } from '../channels/deployed.ts';
import { allowParameters, parameterArn } from './access.ts';
import { type FunctionProps, LoggedFunction } from './functions.ts';

export interface SetupProps extends Pick<FunctionProps, 'architecture' | 'logRetention'> {
  readonly code: Code;
  /** Names of the parameters to generate. */
  readonly secrets: readonly string[];
  /** Names of the other parameters that the setup function reads. */
  readonly parameters: readonly string[];
  /** Settings of the channels that are asked who they are, by name. */
  readonly identify: Readonly<Record<string, EncodedSettings>>;
}

const RESOURCE_TYPE = 'Custom::HybridSessionsSetup';
const SERVICE_TIMEOUT = Duration.minutes(5);

export class Setup extends Construct {
  private readonly setup: LoggedFunction;
  private readonly prepared: CustomResource;

  constructor(scope: Construct, id: string, props: SetupProps) {
    super(scope, id);
    const { architecture, logRetention, code, secrets, parameters, identify } = props;
    this.setup = new LoggedFunction(this, 'Setup', {
      architecture,
      logRetention,
      code,
      handler: 'setup.handler',
      description:
        "At deployment: makes secrets, registers the channels' webhooks. Takes both back at the end.",
      memoryMb: 256,
      timeout: Duration.seconds(60),
      environment: {},
    });
    this.setup.role.addToPolicy(
      new PolicyStatement({
        actions: ['ssm:GetParameters', 'ssm:PutParameter', 'ssm:DeleteParameters'],
        resources: secrets.map((name) => parameterArn(this, name)),
      }),
    );
    allowParameters(this.setup.role, parameters);
    this.prepared = this.step('Prepared', { step: 'prepare', secrets: [...secrets], identify });
  }

  /** One value of a channel's identity (such as the bot's name). It is known once the setup function has run. */
  identity(channel: string, fact: string): string {
    return this.prepared.getAttString(`${channel}.${fact}`);
  }

  /** Makes the channel tell its platform to send messages to `url`, and which commands (JSON) the agent folder adds. */
  register(channel: string, url: string, settings: EncodedSettings, commands: string): void {
    const properties = { step: 'register', channel, url, settings, ...(commands && { commands }) };
    const registered = this.step(`Webhook-${channel}`, properties);
    registered.node.addDependency(this.prepared);
  }

  private step(id: string, properties: Record<string, unknown>): CustomResource {
    const resource = new CustomResource(this, id, {
      resourceType: RESOURCE_TYPE,
      serviceToken: this.setup.lambda.functionArn,
      serviceTimeout: SERVICE_TIMEOUT,
      properties,
    });
    // The function needs its rights before it first runs, and still when the stack is deleted.
    resource.node.addDependency(this.setup.role, this.setup.logs);
    return resource;
  }
}
