// Who the app is in one workspace: its team and the user it writes as. Sessions are kept apart by both.

export interface SlackIdentity {
  readonly teamId: string;
  readonly botUserId: string;
}

/** As it stands in session keys and in the registry of tenants: `T0….U0…`. */
export function botIdOf({ teamId, botUserId }: SlackIdentity): string {
  return `${teamId}.${botUserId}`;
}

/** The inverse; parts that are not there are empty, and fit no workspace. */
export function identityOf(bot: string): SlackIdentity {
  const [teamId = '', botUserId = ''] = bot.split('.');
  return { teamId, botUserId };
}
