// What becomes of a message that is written while a turn of its conversation runs: it waits (`queue`), is told to the agent
// at its next step (`steer`, see steering.ts), or ends the turn, and both are gone on with (`interrupt`). For an
// installation, for single chats of it, and by the people of a chat (`/mode`).
import { z } from 'zod';
import type { Conversation } from './ids.ts';

export const whileRunningModeSchema = z.enum(['queue', 'steer', 'interrupt']);
export type WhileRunningMode = z.infer<typeof whileRunningModeSchema>;

const mode = whileRunningModeSchema;

export const whileRunningSchema = z.strictObject({
  default: mode.default('queue'),
  chats: z
    .record(z.string().regex(/^[a-z][a-z0-9-]*\/\S+$/, 'name a chat as channel/chat'), mode)
    .default({}),
});
export type WhileRunning = z.infer<typeof whileRunningSchema>;
export type WhileRunningSettings = z.input<typeof whileRunningSchema>;

export function whileRunningIn(
  settings: WhileRunning | undefined,
  { channel, chat }: Pick<Conversation, 'channel' | 'chat'>,
): WhileRunningMode {
  return settings?.chats[`${channel}/${chat}`] ?? settings?.default ?? 'queue';
}
