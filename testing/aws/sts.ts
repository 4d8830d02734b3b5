// AWS STS as far as a worker uses it: `AssumeRole` with tags. Who calls must be allowed to, and the role's trust must hold; the
// session's keys then open what the role's policy allows to those tags.
// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html (read 2026-11)
import { isAllowed, type PolicyStatement } from './iam/evaluate.ts';
import type { Keyring } from './iam/keyring.ts';
import { iamRequestsOf } from './iam/requests.ts';
import { bodyOf, serveLoopback } from './loopback.ts';
import type { StandIn } from './process.ts';
import { signatureFault } from './verify-signature.ts';

export interface AssumableRole {
  readonly arn: string;
  readonly statements: readonly PolicyStatement[];
  /** Who may assume it, without the principal. */
  readonly trust: readonly PolicyStatement[];
}

const NO_NAMES = { table: String, bucket: String, queue: String };

export async function startSts(options: {
  readonly keyring: Keyring;
  readonly roles: readonly AssumableRole[];
  readonly region: string;
}): Promise<StandIn> {
  const { keyring, roles, region } = options;
  return await serveLoopback(async (request, response) => {
    const body = await bodyOf(request);
    const answer = (status: number, xml: string) =>
      void response.writeHead(status, { 'content-type': 'text/xml' }).end(xml);
    const refuse = (code: string, message: string) =>
      answer(
        403,
        `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>${message}</Message></Error></ErrorResponse>`,
      );
    const keyId = /Credential=([^/,\s]+)\//.exec(String(request.headers.authorization ?? ''))?.[1] ?? '';
    const caller = keyring.find(keyId);
    const received = {
      method: request.method ?? '',
      target: request.url ?? '/',
      headers: request.headers,
      body,
    };
    const where = { region, service: 'sts', nowMs: Date.now() };
    const fault = caller ? signatureFault(received, caller, where) : 'unknown key';
    if (!caller || fault !== null) return refuse('InvalidClientTokenId', String(fault));
    const asked = new URLSearchParams(body.toString('utf8'));
    if (asked.get('Action') !== 'AssumeRole') return refuse('InvalidAction', 'Only AssumeRole.');
    const arn = asked.get('RoleArn') ?? '';
    const Tags = tagsIn(asked);
    const role = roles.find((one) => one.arn === arn);
    const wanted = iamRequestsOf('AssumeRoleCommand', { RoleArn: arn, Tags }, NO_NAMES);
    const isTrusted = role && wanted.every((one) => isAllowed(role.trust, { ...one, resource: '*' }));
    if (!role || !isTrusted || !wanted.every((one) => caller.allows(one))) {
      return refuse('AccessDenied', `${caller.name} may not assume this role.`);
    }
    const tags = Object.fromEntries(Tags.map(({ Key, Value }) => [`aws:PrincipalTag/${Key}`, Value]));
    const name = `tenant role for ${Object.values(tags).join()}`;
    const { accessKeyId, secretAccessKey, sessionToken = '' } = keyring.session(name, role.statements, tags);
    const seconds = Number(asked.get('DurationSeconds') ?? 3_600);
    answer(
      200,
      `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
<AccessKeyId>${accessKeyId}</AccessKeyId><SecretAccessKey>${secretAccessKey}</SecretAccessKey>
<SessionToken>${sessionToken}</SessionToken><Expiration>${new Date(Date.now() + seconds * 1_000).toISOString()}</Expiration>
</Credentials></AssumeRoleResult></AssumeRoleResponse>`,
    );
  });
}

function tagsIn(asked: URLSearchParams): { readonly Key: string; readonly Value: string }[] {
  const found: { Key: string; Value: string }[] = [];
  for (let i = 1; asked.has(`Tags.member.${i}.Key`); i++) {
    found.push({
      Key: asked.get(`Tags.member.${i}.Key`) ?? '',
      Value: asked.get(`Tags.member.${i}.Value`) ?? '',
    });
  }
  return found;
}
