// What people read of `/link` and `/unlink`. What these do was done when they were taken in (link-orders.ts), or is done here
// by whoever answers, with the same result.
import type { Conversation } from './ids.ts';
import { placeOf, redeem, tell, unlink } from './link-orders.ts';
import { CODE_MINUTES, GUESSES, linkingOf, type Redeemed } from './links.ts';
import type { Reply } from './records.ts';
import type { RunningTurn } from './running-turn.ts';

const NO_LINKS: Reply = { outcome: 'failed', code: 'no-links', text: 'Chats cannot be linked here.' };

const REFUSED: Readonly<Record<Exclude<Redeemed['outcome'], 'linked'>, string>> = {
  'wrong-code': `This code is not good: it may be mistyped, used, or older than ${CODE_MINUTES} minutes. \`/link\` in the other chat gives a new one.`,
  'too-many-guesses': `There were too many wrong codes (${GUESSES.chat} an hour are let through), so I did not look at this one. Try again in an hour.`,
  'same-chat': 'This code is of this very chat. Write it in the other one.',
  'has-guests':
    'Other chats share the conversation of this one. Write `/unlink` here first, or ask for a code here instead.',
  'is-guest':
    'One of the two chats shares the conversation of another one already. Write `/unlink` there first.',
  full: 'So many chats share that conversation already that no more can.',
};

/** `rest`: the code; '' asks for one. */
export async function linkReply(running: RunningTurn, rest: string): Promise<Reply> {
  const { deps, request } = running;
  const linking = linkingOf(deps.store, deps.clock);
  if (!linking || !deps.send) return NO_LINKS;
  if (rest === '') return ok(offerText(await linking.offer(request.sessionKey, placeOf(request))));
  const result = await redeem({ send: deps.send }, linking, { request, code: rest });
  if (result.outcome !== 'linked') {
    return { outcome: 'failed', code: result.outcome, text: REFUSED[result.outcome] };
  }
  const note = `linked ${nameOf(running)}`;
  await tell({ ...deps, send: deps.send }, request, result.home, result.place, note);
  return ok(
    `Linked: this chat goes on in the conversation of ${placeName(result.place.conversation)}, and answers come to where you write. ` +
      'What was said here before is kept and comes back with `/unlink`.',
  );
}

export async function unlinkReply(running: RunningTurn): Promise<Reply> {
  const { deps, request, record } = running;
  const linking = linkingOf(deps.store, deps.clock);
  if (!linking || !deps.send) return NO_LINKS;
  await unlink({ ...deps, send: deps.send }, linking, request, record);
  return ok(
    request.linked
      ? 'This chat has its own conversation again, as it was before the link. What was said meanwhile stays in the other one.'
      : 'This chat shares its conversation with no other one any more.',
  );
}

/** What the other side reads. */
export function linkNote(word: string, name: string): string {
  return word === 'linked'
    ? `This conversation goes on in another chat, too: ${name}. Whoever may write there sees and says things in it. \`/unlink\` here or there ends that.`
    : 'The link to another chat was ended there. This chat has its own conversation again, as it was before the link.';
}

/** For `/status`; '' where nothing is shared. */
export async function linkStatus({ deps, request }: RunningTurn): Promise<string> {
  const linking = linkingOf(deps.store, deps.clock);
  if (!linking) return '';
  if (request.linked) return 'It is the conversation of another chat, which this one is linked to.';
  const guests = await linking.guestsOf(request.sessionKey);
  const names = guests.map(({ place }) => placeName(place.conversation));
  return names.length === 0 ? '' : `It goes on in other chats, too: ${names.join(', ')}.`;
}

/** Whether erasing this chat would not be what its people mean; null where it is. */
export function forgetRefusal(request: RunningTurn['request']): string | null {
  if (!request.linked) return null;
  return 'This chat is linked to the conversation of another one, which only that one can erase. `/unlink` first; then `/forget` here erases what was said here before the link.';
}

function offerText(code: string): string {
  return [
    `Write \`/link ${code}\` in the other chat within ${CODE_MINUTES} minutes; it is good once.`,
    'From then on both are this conversation: whoever may write there sees and says things in it, and answers come to where they were asked for. `/unlink` in either ends it.',
  ].join('\n\n');
}

function nameOf({ request }: RunningTurn): string {
  const { sender } = request;
  const place = placeName(request.conversation);
  return sender === null ? place : `${place}, by ${sender.name ?? sender.id}`;
}

function placeName({ channel, chat }: Conversation): string {
  return `${channel} (${chat})`;
}

function ok(text: string): Reply {
  return { outcome: 'ok', text };
}
