// Who may change a schedule. A wake-up is the turn of whoever spoke when the schedule was made, with their credentials and their
// say in questions: so it is theirs, and no one else in the chat holds it back, lets it go on or runs it. Operators,
// by command line and key, are not asked.
import { isListed, isSamePrincipal, type Principal } from './principal.ts';
import type { Schedule } from './schedule.ts';

type Owned = Pick<Schedule, 'conversation' | 'sender' | 'managers'>;

/** One that was made where nobody is told apart is everybody's of the chat. */
export function mayChange({ conversation, sender, managers }: Owned, speaker: Principal): boolean {
  if (sender === null) return true;
  if (isSamePrincipal({ channel: conversation.channel, id: sender.id }, speaker)) return true;
  return managers !== null && isListed(managers, speaker);
}

/** In words for the person who may not. */
export function notYours({ name, sender, managers }: Pick<Schedule, 'name' | 'sender' | 'managers'>): string {
  const maker = sender?.name ?? 'somebody else';
  const others = managers?.length ? ', or somebody who decides about approvals,' : '';
  return `“${name}” was made for ${maker}: only they${others} may change it.`;
}
