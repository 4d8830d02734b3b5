// Who of the company may speak to a bot.
import { z } from 'zod';

export const ANYONE = 'anyone';

export const allowedUsersSchema = z.union([
  z.array(z.string().regex(/^[\w.@-]{1,64}$/, 'a userid has letters, digits and . _ @ - only')),
  z.literal(ANYONE),
]);

export type AllowedUsers = z.infer<typeof allowedUsersSchema>;

export function isAllowed(allowed: AllowedUsers, userId: string): boolean {
  return allowed === ANYONE || allowed.includes(userId);
}
