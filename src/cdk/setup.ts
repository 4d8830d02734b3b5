// What has to happen once at deployment and be taken back at the end: the secrets that nobody has to choose are
// made before anything needs them, and Telegram is told where to send updates.
import { CustomResource, Duration } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Code } from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { allowParameters, parameterArn } from './access.ts';
import { type FunctionProps, LoggedFunction } from './functions.ts';

export interface SetupProps extends Pick<FunctionProps, 'architecture' | 'logRetention'> {
  readonly code: Code;
  /** Names of the parameters to make. */
  readonly secrets: readonly string[];
  readonly tokenParameter: string | undefined;
}

const RESOURCE_TYPE = 'Custom::HybridSessionsSetup';
const SERVICE_TIMEOUT = Duration.minutes(5);

export class Setup extends Construct {
  private readonly setup: LoggedFunction;
  private readonly prepared: CustomResource;

  constructor(scope: Construct, id: string, props: SetupProps) {
    super(scope, id);
    const { architecture, logRetention, code, secrets, tokenParameter } = props;
    this.setup = new LoggedFunction(this, 'Setup', {
      architecture,
      logRetention,
      code,
      handler: 'setup.handler',
      description:
        'At deployment: makes secrets, registers the Telegram webhook. Takes both back at the end.',
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
    if (tokenParameter) allowParameters(this.setup.role, [tokenParameter]);
    this.prepared = this.step('Prepared', {
      step: 'prepare',
      secrets: [...secrets],
      ...(tokenParameter ? { tokenParameter } : {}),
    });
  }

  /** Who the bot is, known once this ran. */
  get botId(): string {
    return this.prepared.getAttString('botId');
  }

  get botUsername(): string {
    return this.prepared.getAttString('botUsername');
  }

  registerWebhook(webhook: { url: string; tokenParameter: string; secretParameter: string }): void {
    this.step('Webhook', { step: 'webhook', ...webhook }).node.addDependency(this.prepared);
  }

  private step(id: string, properties: Record<string, unknown>): CustomResource {
    const resource = new CustomResource(this, id, {
      resourceType: RESOURCE_TYPE,
      serviceToken: this.setup.lambda.functionArn,
      serviceTimeout: SERVICE_TIMEOUT,
      properties,
    });
    // Its rights must be there before it runs, and outlast it.
    resource.node.addDependency(this.setup.role, this.setup.logs);
    return resource;
  }
}
