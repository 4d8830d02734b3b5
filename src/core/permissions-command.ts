// `/permissions`: what the people of a chat have allowed it for good, and taking that back. Anybody of the chat may: it only
// makes the agent ask again.
import { type Consent, readableConsent } from './consent.ts';
import type { Decision, RunningTurn } from './running-turn.ts';

export type CommandResult = Pick<Decision, 'reply' | 'consent'>;

const WITHDRAW = /^withdraw (?:(\d{1,3})|all)$/;

export function permissionsReply({ head }: Pick<RunningTurn, 'head'>, rest: string): CommandResult {
  const consent = readableConsent(head);
  const { granted } = consent;
  const asked = WITHDRAW.exec(rest);
  if (!asked) return said(listText(consent));
  const number = asked[1] === undefined ? null : Number(asked[1]);
  const withdrawn = number === null ? granted : granted.slice(number - 1, number);
  if (number === 0 || withdrawn.length === 0)
    return said(`There is no such permission. ${listText(consent)}`);
  const left = granted.filter((one) => !withdrawn.includes(one));
  return {
    ...said(`From now on I ask again: ${withdrawn.map(({ title }) => title).join('; ')}`),
    consent: { ...consent, granted: left },
  };
}

function listText({ granted }: Consent): string {
  if (granted.length === 0) return 'Nothing is allowed for this chat beyond what always is.';
  return [
    'Allowed for this chat:',
    ...granted.map(({ title, name, atMs }, at) => {
      return `${at + 1}. ${title} (${name ?? 'somebody'}, ${new Date(atMs).toISOString().slice(0, 10)})`;
    }),
    'Write `/permissions withdraw` with a number, or `all`, to be asked again.',
  ].join('\n');
}

function said(text: string): CommandResult {
  return { reply: { outcome: 'ok', text } };
}
