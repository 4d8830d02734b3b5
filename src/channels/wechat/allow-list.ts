// Who may talk to the account: OpenIDs, which WeChat makes for each follower and account. Fails closed: an empty list allows
// nobody, and `anyone` has to be written.
import { z } from 'zod';

export const ANYONE = 'anyone';

export const allowedUsersSchema = z.union([
  z.array(z.string().regex(/^[\w-]{6,128}$/, 'an OpenID has letters, digits, _ and - only')),
  z.literal(ANYONE),
]);

export type AllowedUsers = z.infer<typeof allowedUsersSchema>;

export function isAllowed(allowed: AllowedUsers, openId: string): boolean {
  return allowed === ANYONE || allowed.includes(openId);
}
