// CloudFormation's side of a custom resource: sends the request and waits for the answer at a URL of its own.
import { randomUUID } from 'node:crypto';
import { bodyOf, serveLoopback } from '../aws/loopback.ts';
import type { FunctionEnvironment } from './function-environment.ts';

export interface CustomResource {
  readonly type: 'Create' | 'Update' | 'Delete';
  readonly properties: Readonly<Record<string, unknown>>;
  readonly before?: Readonly<Record<string, unknown>>;
  readonly physicalId?: string;
}

/** The attributes it answered with, and `PhysicalResourceId`. Throws what it failed with. */
export async function runCustomResource(
  target: FunctionEnvironment,
  resource: CustomResource,
): Promise<Record<string, string>> {
  const answered = Promise.withResolvers<{
    Status: string;
    Reason?: string;
    PhysicalResourceId: string;
    Data?: Record<string, string>;
  }>();
  const server = await serveLoopback(async (request, response) => {
    answered.resolve(JSON.parse((await bodyOf(request)).toString('utf8')));
    response.writeHead(200).end();
  });
  try {
    const { error } = await target.invoke({
      RequestType: resource.type,
      ServiceToken: 'arn:aws:lambda:us-east-1:000000000000:function:setup',
      ResponseURL: server.endpoint,
      StackId: 'arn:aws:cloudformation:us-east-1:000000000000:stack/local/1',
      RequestId: randomUUID(),
      ResourceType: 'Custom::HybridSessionsSetup',
      LogicalResourceId: 'Setup',
      ResourceProperties: { ServiceToken: 'arn', ...resource.properties },
      ...(resource.type === 'Create' ? {} : { PhysicalResourceId: resource.physicalId ?? 'known' }),
      ...(resource.before ? { OldResourceProperties: resource.before } : {}),
    });
    if (error) throw new Error(`The setup function failed: ${error.errorMessage}`);
    const { Status, Reason, PhysicalResourceId, Data } = await answered.promise;
    if (Status !== 'SUCCESS') throw new Error(Reason);
    return { ...Data, PhysicalResourceId };
  } finally {
    await server.close();
  }
}
