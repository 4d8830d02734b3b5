// The alarms: conditions that a person must know about. All of them notify one SNS topic, which has a subscriber.
import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  type AlarmProps,
  ComparisonOperator,
  type IMetric,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import { METRIC_NAMESPACE, METRICS } from '../lambda/metric-names.ts';
import { acknowledge } from './acknowledge.ts';
import type { LoggedFunction } from './functions.ts';
import type { Queues } from './queues.ts';

/** Longer than the longest wait between two tries, so that an outage is one alarm, not one per try. */
const OUTAGE_PERIOD = Duration.minutes(15);

export interface AlarmsProps {
  readonly email: string;
  readonly installation: string;
  readonly queues: Queues;
  readonly workerTimeout: Duration;
  readonly functions: Readonly<Record<string, LoggedFunction>>;
}

export class Alarms extends Construct {
  readonly topic: Topic;
  readonly alarms: Alarm[] = [];

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.topic = new Topic(this, 'Topic', { enforceSSL: true });
    this.topic.addToResourcePolicy(
      new PolicyStatement({
        principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
        actions: ['sns:Publish'],
        resources: [this.topic.topicArn],
      }),
    );
    this.topic.addSubscription(new EmailSubscription(props.email));
    acknowledge(
      this.topic,
      'Serverless-SNSRedrivePolicy',
      'Mail: SNS retries for an hour, and the state of every alarm stays visible in CloudWatch.',
    );
    const { queues } = props;
    const everyFiveMinutes = { period: Duration.minutes(5) };

    this.add('DeadLetters', {
      metric: queues.dead.metricApproximateNumberOfMessagesVisible({
        ...everyFiveMinutes,
        statistic: 'Maximum',
      }),
      alarmDescription:
        'Turns were given up and wait for a person: `hybrid-sessions dlq list --aws` shows them.',
    });
    this.add('Stranded', {
      metric: queues.stranded.metricApproximateNumberOfMessagesVisible({
        ...everyFiveMinutes,
        statistic: 'Maximum',
      }),
      alarmDescription: 'Turns no worker could take on are not being cleared either.',
      evaluationPeriods: 2,
    });
    this.add('QueueAge', {
      metric: queues.turns.metricApproximateAgeOfOldestMessage({ ...everyFiveMinutes, statistic: 'Maximum' }),
      threshold: props.workerTimeout.toSeconds() + 300,
      alarmDescription: 'A message waits longer than one whole turn may take.',
    });
    for (const [name, { lambda }] of Object.entries(props.functions)) {
      this.add(`${name}Errors`, {
        metric: lambda.metricErrors({ ...everyFiveMinutes, statistic: 'Sum' }),
        alarmDescription: `The function ${name} crashed, timed out or could not start.`,
      });
      this.add(`${name}Throttles`, {
        metric: lambda.metricThrottles({ ...everyFiveMinutes, statistic: 'Sum' }),
        alarmDescription: `The function ${name} is refused concurrency: raise the account's limit.`,
      });
    }
    this.add('Outage', {
      metric: installationMetric(props.installation, METRICS.outageMs, 'Maximum', OUTAGE_PERIOD),
      threshold: Duration.minutes(2).toMilliseconds(),
      alarmDescription: 'Turns wait for the model or a store that does not answer. They are kept, and told.',
    });
    this.add('NotReady', {
      metric: installationMetric(props.installation, METRICS.notReady, 'Sum', OUTAGE_PERIOD),
      alarmDescription:
        'A function cannot begin: a parameter cannot be read, or the agent folder does not load. Messages are kept.',
    });
    this.add('Exposed', {
      metric: installationMetric(props.installation, METRICS.exposed),
      alarmDescription:
        "The agent could look into its worker, or leave a process there. The worker's log says why; see docs/deploy-aws.md.",
    });
    this.add('RefusedRequests', {
      metric: installationMetric(props.installation, METRICS.refused),
      alarmDescription:
        'Messages were answered with 5xx instead of being taken. Platforms send theirs again.',
    });
    this.add('FailedDeliveries', {
      metric: installationMetric(props.installation, METRICS.undeliverable),
      alarmDescription: 'A committed reply could not be brought to its chat.',
    });
    this.add('Unreadable', {
      metric: installationMetric(props.installation, METRICS.unreadable),
      alarmDescription:
        "A session's state cannot be read back. Nothing was overwritten; see docs/operations.md.",
    });
  }

  private add(
    id: string,
    props: { readonly metric: IMetric; readonly alarmDescription: string } & Partial<AlarmProps>,
  ): void {
    const alarm = new Alarm(this, id, {
      threshold: 1,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...props,
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
    alarm.addOkAction(new SnsAction(this.topic));
    this.alarms.push(alarm);
  }
}

/** A metric that the functions write into their logs. */
export function installationMetric(
  installation: string,
  metricName: string,
  statistic = 'Sum',
  period = Duration.minutes(5),
): Metric {
  return new Metric({
    namespace: METRIC_NAMESPACE,
    metricName,
    statistic,
    period,
    dimensionsMap: { service: installation },
  });
}
