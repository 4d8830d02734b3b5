// The CloudWatch dashboard. It shows whether the installation works, how long people wait, what is stuck and what
// went wrong.
import { AlarmStatusWidget, Dashboard, GraphWidget, MathExpression } from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { METRICS } from '../lambda/metric-names.ts';
import { type Alarms, installationMetric } from './alarms.ts';
import type { LoggedFunction } from './functions.ts';
import type { Queues } from './queues.ts';

export function addDashboard(
  scope: Construct,
  props: {
    readonly installation: string;
    readonly queues: Queues;
    readonly alarms: Alarms;
    readonly functions: Readonly<Record<string, LoggedFunction>>;
  },
): Dashboard {
  const metric = (name: string, statistic?: string) =>
    installationMetric(props.installation, name, statistic);
  const functions = Object.values(props.functions).map(({ lambda }) => lambda);
  const half = { width: 12, height: 6 };
  return new Dashboard(scope, 'Dashboard', {
    widgets: [
      [new AlarmStatusWidget({ title: 'Alarms', alarms: props.alarms.alarms, width: 24, height: 4 })],
      [
        new GraphWidget({
          ...half,
          title: 'Turns',
          left: [
            metric(METRICS.turns),
            metric(METRICS.retries),
            metric(METRICS.dead),
            metric(METRICS.leaseLost),
            metric(METRICS.notReady),
            metric(METRICS.refused),
          ],
        }),
        new GraphWidget({
          ...half,
          title: 'How long a turn takes, and waits before it (ms)',
          left: ['p50', 'p95'].flatMap((p) => [metric(METRICS.turnMs, p), metric(METRICS.waitMs, p)]),
        }),
      ],
      [
        new GraphWidget({
          ...half,
          width: 16,
          title: 'Where the time goes (ms): first words, restore, model, save',
          left: [METRICS.firstTextMs, METRICS.restoreMs, METRICS.modelMs, METRICS.saveMs].flatMap((name) =>
            ['p50', 'p95'].map((p) => metric(name, p)),
          ),
        }),
        new GraphWidget({
          ...half,
          width: 8,
          title: 'Turns whose agent was still there (%)',
          left: [
            new MathExpression({
              expression: '100 * FILL(hot, 0) / (FILL(hot, 0) + FILL(cold, 0))',
              usingMetrics: { hot: metric(METRICS.hot), cold: metric(METRICS.cold) },
              label: 'hit rate',
            }),
          ],
        }),
      ],
      [
        new GraphWidget({
          ...half,
          title: 'Messages waiting',
          left: [props.queues.turns, props.queues.stranded, props.queues.dead].map((queue) =>
            queue.metricApproximateNumberOfMessagesVisible(),
          ),
          right: [props.queues.turns.metricApproximateAgeOfOldestMessage()],
        }),
        new GraphWidget({
          ...half,
          title: 'Errors and throttles',
          left: functions.flatMap((one) => [one.metricErrors(), one.metricThrottles()]),
        }),
      ],
      [
        new GraphWidget({
          ...half,
          title: 'Invocations',
          left: functions.map((one) => one.metricInvocations()),
        }),
        new GraphWidget({
          ...half,
          title: 'Duration (ms, p95)',
          left: functions.map((one) => one.metricDuration({ statistic: 'p95' })),
        }),
      ],
    ],
  });
}
