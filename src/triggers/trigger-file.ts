// The triggers of an agent folder, `triggers/NAME.md`: whose events are taken, how they are signed, in which chat they begin a turn,
// and what the agent is to do. They are read and checked at start and at deployment.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { frontMatterOf } from '../agent/front-matter.ts';
import { Invalid } from '../core/errors.ts';
import { secretReferenceSchema } from '../core/secret-reference.ts';
import { MAX_TEXT_LENGTH } from '../core/text-length.ts';
import { settingFault } from '../setting-fault.ts';

const NAME = /^[a-z0-9][a-z0-9-]{0,63}$/;
const list = z.string().transform((text) => text.split(/[\s,]+/).filter((part) => part !== ''));

/** As it crosses a file of the deployment, too. */
export const triggerSchema = z.strictObject({
  name: z.string().regex(NAME),
  /** Whose convention signs the events. */
  from: z.enum(['github', 'stripe', 'standard']),
  /** Each is accepted: two while one is changed. */
  secrets: z.array(secretReferenceSchema).min(1).max(3),
  /** Types, or what they begin with: `issues` or `issues.opened`. None: all. */
  events: z.array(z.string().max(100)).max(50),
  /** Name of the chat, with `{path}` of the event in it. */
  chat: z.string().min(1).max(200),
  /** What the agent is to do. */
  text: z.string().min(1).max(MAX_TEXT_LENGTH),
});
export type Trigger = z.infer<typeof triggerSchema>;

const fieldsSchema = z.strictObject({
  from: z.enum(['github', 'stripe', 'standard']),
  secret: list.pipe(triggerSchema.shape.secrets),
  events: list.pipe(triggerSchema.shape.events).optional(),
  chat: triggerSchema.shape.chat.optional(),
});

/** Throws `Invalid('bad-agent-folder')` that names the file and the field. */
export function loadTriggers(agentFolder: string): readonly Trigger[] {
  const folder = join(agentFolder, 'triggers');
  if (!existsSync(folder)) return [];
  const files = readdirSync(folder).filter((file) => !file.startsWith('.'));
  return files.sort().map((file) => readTrigger(folder, file));
}

function readTrigger(folder: string, file: string): Trigger {
  const where = `triggers/${file}`;
  const name = /^(.+)\.md$/.exec(file)?.[1];
  if (name === undefined || !NAME.test(name)) {
    throw bad(
      where,
      'not the name of a trigger.',
      'Name it like new-issue.md: lower-case letters, digits and "-".',
    );
  }
  const front = frontMatterOf(readFileSync(join(folder, file), 'utf8'));
  if (front === null)
    throw bad(where, 'no front matter.', 'Begin it with ---, from: and secret: lines, and ---.');
  const parsed = fieldsSchema.safeParse(front.fields);
  if (!parsed.success)
    throw bad(where, `${settingFault(parsed.error)}.`, 'docs/triggers.md lists the fields.');
  const { from, secret, events = [], chat = name } = parsed.data;
  const text = front.body.trim();
  if (text === '') throw bad(where, 'no text.', 'Write below the front matter what the agent is to do.');
  if (text.length > MAX_TEXT_LENGTH)
    throw bad(where, 'too long.', `It may have ${MAX_TEXT_LENGTH} characters.`);
  return { name, from, secrets: secret, events, chat, text };
}

function bad(where: string, what: string, advice: string): Invalid {
  return new Invalid('bad-agent-folder', `${where}: ${what}`, { advice });
}
