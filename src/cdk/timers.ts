// Timers of schedules: a group of EventBridge Scheduler that is this installation's own, and the role that they send messages
// with. Functions make timers in this group only, and can give them this role only. The group goes with the stack, and
// what is in it goes with the group.
import { ArnFormat, Stack } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnScheduleGroup } from 'aws-cdk-lib/aws-scheduler';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { VARIABLES } from '../lambda/variables.ts';
import { allowSend, patternFinding } from './access.ts';
import { acknowledge } from './acknowledge.ts';

export class Timers extends Construct {
  readonly group: CfnScheduleGroup;
  /** What messages are sent with. */
  readonly role: Role;
  readonly queue: Queue;

  constructor(scope: Construct, id: string, { queue }: { readonly queue: Queue }) {
    super(scope, id);
    this.queue = queue;
    this.group = new CfnScheduleGroup(this, 'Group');
    this.role = new Role(this, 'Role', {
      description: 'Puts messages of due schedules into the queue.',
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: { 'aws:SourceAccount': Stack.of(this).account },
          ArnEquals: { 'aws:SourceArn': this.group.attrArn },
        },
      }),
    });
    allowSend(this.role, queue);
  }

  get variables(): Record<string, string> {
    return {
      [VARIABLES.timerGroup]: this.group.ref,
      [VARIABLES.timerRole]: this.role.roleArn,
      [VARIABLES.timerQueue]: this.queue.queueArn,
    };
  }

  /** Sets timers and clears them. */
  allowSetting(role: Role): void {
    this.allow(role, ['CreateSchedule', 'UpdateSchedule', 'DeleteSchedule']);
  }

  /** Lets those ring again that are there. */
  allowRinging(role: Role): void {
    this.allow(role, ['GetSchedule', 'UpdateSchedule']);
  }

  private allow(role: Role, actions: readonly string[]): void {
    const { group } = this;
    const resource = Stack.of(this).formatArn({
      service: 'scheduler',
      resource: 'schedule',
      resourceName: `${group.ref}/*`,
      arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
    });
    role.addToPolicy(
      new PolicyStatement({ actions: actions.map((action) => `scheduler:${action}`), resources: [resource] }),
    );
    role.addToPolicy(new PolicyStatement({ actions: ['scheduler:ListSchedules'], resources: ['*'] }));
    const id = Stack.of(this).getLogicalId(group);
    acknowledge(
      role,
      patternFinding(role, 'scheduler', `schedule/<${id}>/*`),
      'Timers come into being with the schedules of chats. Only those of this group.',
    );
    acknowledge(
      role,
      'AwsSolutions-IAM5[Resource::*]',
      'EventBridge Scheduler knows no resource for ListSchedules: it tells names, and no content.',
    );
    role.addToPolicy(
      new PolicyStatement({
        actions: ['iam:PassRole'],
        resources: [this.role.roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 'scheduler.amazonaws.com' } },
      }),
    );
  }
}
