// The time zone of an installation's agent, where a chat has chosen none: the agent folder's, or else this machine's.

export function timeZoneOf({ timezone }: { readonly timezone?: string | undefined }): string {
  // This process's zone follows TZ and the machine's setting; on Lambda it is UTC.
  return timezone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
}
