// The functions. All come from one small ZIP and differ by their entry, but the one in which agents run: it is an image.
import type { Duration } from 'aws-cdk-lib';
import { RemovalPolicy, Size } from 'aws-cdk-lib';
import type { Role } from 'aws-cdk-lib/aws-iam';
import {
  type Architecture,
  type Code,
  type DockerImageCode,
  DockerImageFunction,
  Function as LambdaFunction,
  LoggingFormat,
  RecursiveLoop,
  Runtime,
  type TenancyConfig,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { functionRole } from './access.ts';
import { acknowledge } from './acknowledge.ts';

export interface FunctionProps {
  readonly environment: Readonly<Record<string, string>>;
  readonly architecture: Architecture;
  readonly logRetention: RetentionDays;
  readonly memoryMb: number;
  readonly timeout: Duration;
  readonly description: string;
  /** It queues the rest of a turn to itself, which Lambda would end after 16 times. MAX_TURN_PARTS is the end. */
  readonly mayLoop?: boolean;
  /** Environments that serve one tenant id each. Cannot be changed once the function is there. */
  readonly tenancy?: TenancyConfig;
  /** Executions set apart for this function, and its limit. */
  readonly reservedConcurrency?: number;
}

/** A function with its role and its log group. */
export class LoggedFunction extends Construct {
  readonly role: Role;
  readonly logs: LogGroup;
  readonly lambda: LambdaFunction;

  constructor(
    scope: Construct,
    id: string,
    props: FunctionProps &
      (
        | { readonly code: Code; readonly handler: string }
        | { readonly image: DockerImageCode; readonly ephemeralStorageMb: number }
      ),
  ) {
    super(scope, id);
    this.logs = new LogGroup(this, 'Logs', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = functionRole(this, this.logs);
    const common = {
      description: props.description,
      architecture: props.architecture,
      memorySize: props.memoryMb,
      timeout: props.timeout,
      ...(props.reservedConcurrency === undefined
        ? {}
        : { reservedConcurrentExecutions: props.reservedConcurrency }),
      environment: { ...props.environment },
      role: this.role,
      logGroup: this.logs,
      loggingFormat: LoggingFormat.JSON,
      ...(props.mayLoop ? { recursiveLoop: RecursiveLoop.ALLOW } : {}),
      ...(props.tenancy ? { tenancyConfig: props.tenancy } : {}),
    };
    this.lambda =
      'image' in props
        ? new DockerImageFunction(this, 'Function', {
            ...common,
            code: props.image,
            ephemeralStorageSize: Size.mebibytes(props.ephemeralStorageMb),
          })
        : new LambdaFunction(this, 'Function', {
            ...common,
            code: props.code,
            handler: props.handler,
            runtime: Runtime.NODEJS_24_X,
          });
    acknowledge(
      this.lambda,
      'Serverless-LambdaDLQ',
      'That queue is for asynchronous invocations; this function is invoked by its URL, its queue or CloudFormation.',
    );
    acknowledge(
      this.lambda,
      'Serverless-LambdaTracing',
      'Every log line and metric carries the turn id from ingress to reply; traces would cost per turn.',
    );
  }
}
