// What AWS charges, in US dollars, on demand, before free tiers and discounts. One list, with its date and its sources; an
// owner's own list (`hybrid-sessions cost --prices FILE`) takes its place, for other regions and later prices.
import { z } from 'zod';

const dollars = z.number().nonnegative();

export const awsPricesSchema = z.strictObject({
  region: z.string().min(1),
  /** ISO date on which the list was read. */
  asOf: z.iso.date(),
  lambda: z.strictObject({
    /** A gigabyte held for a second, ARM. */
    gbSec: dollars,
    request: dollars,
    /** One environment of a function with tenant isolation, for each gigabyte of its memory. */
    tenantEnvironmentGb: dollars,
  }),
  sqsFifoRequest: dollars,
  dynamo: z.strictObject({ writeUnit: dollars, readUnit: dollars, gbMonth: dollars }),
  s3: z.strictObject({ put: dollars, get: dollars, gbMonth: dollars }),
  logs: z.strictObject({ gb: dollars }),
  alarmMonth: dollars,
  dashboardMonth: dollars,
  /** To the internet, a gigabyte: what is sent to the model, where the model is not inside AWS. */
  egressGb: dollars,
  fargate: z.strictObject({ cpuSec: dollars, gbSec: dollars }),
  loadBalancerMonth: dollars,
  /** A t4g.large: 2 CPUs, 8 GiB. */
  ec2: z.strictObject({ hour: dollars, diskMonth: dollars, publicAddressMonth: dollars }),
  agentCore: z.strictObject({ cpuHour: dollars, gbHour: dollars }),
  /** Claude Managed Agents: an hour in which a session runs. */
  managedAgentsHour: dollars,
});

export type AwsPrices = Readonly<z.infer<typeof awsPricesSchema>>;

/**
 * From the price pages of Lambda, Fargate, SQS, S3, DynamoDB, CloudWatch and EC2, and of Claude Managed Agents. Prices of AgentCore and of
 * a tenant's environment on ARM are from what others publish: check them before you decide by them.
 */
export const US_EAST_1: AwsPrices = {
  region: 'us-east-1',
  asOf: '2026-11-26',
  lambda: { gbSec: 0.0000133334, request: 0.0000002, tenantEnvironmentGb: 0.000135 },
  sqsFifoRequest: 0.0000005,
  dynamo: { writeUnit: 0.000000625, readUnit: 0.000000125, gbMonth: 0.25 },
  s3: { put: 0.000005, get: 0.0000004, gbMonth: 0.023 },
  logs: { gb: 0.5 },
  alarmMonth: 0.1,
  dashboardMonth: 3,
  egressGb: 0.09,
  fargate: { cpuSec: 0.0000089944, gbSec: 0.0000009889 },
  loadBalancerMonth: 16.43,
  ec2: { hour: 0.0672, diskMonth: 2.4, publicAddressMonth: 3.65 },
  agentCore: { cpuHour: 0.0895, gbHour: 0.00945 },
  managedAgentsHour: 0.08,
};
