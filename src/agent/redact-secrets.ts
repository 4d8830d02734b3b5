// Blacks out what looks like a secret in text that leaves the installation: by the shapes of well-known keys, and by names
// such as `password` before a value. It finds what is written as such, not what somebody hides. JSON stays JSON.

const REDACTED = '[redacted]';

/** Shapes that mean a secret wherever they stand. */
const SHAPES: readonly RegExp[] = [
  /-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[A-Za-z0-9+/=:,\s]|\\{1,8}[nr])*(?:-----END [A-Z ]*PRIVATE KEY-----)?/g,
  /(?<![A-Za-z])sk-[A-Za-z0-9_-]{16,}/g,
  /(?<![A-Za-z])(?:gh[pousr]_|github_pat_|glpat-|npm_)[A-Za-z0-9_-]{16,}/g,
  /(?<![A-Za-z])x(?:ox[abeprs]|app)-[A-Za-z0-9-]{10,}/g,
  /(?<![A-Z])(?:AKIA|ASIA)[0-9A-Z]{16}\b/g,
  /(?<![A-Za-z])AIza[0-9A-Za-z_-]{30,}/g,
  /\b\d{6,12}:[A-Za-z0-9_-]{34,36}\b/g,
  /\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g,
];

/** What stands before a secret is kept. */
const BEHIND: readonly RegExp[] = [
  /(\b(?:Bearer|Basic)\s+)[A-Za-z0-9._~+/=-]{16,}/gi,
  /(:\/\/[^\s/:@"'\\]{1,200}:)[^\s/@"'\\]{1,200}(?=@)/g,
  /((?:api_?-?key|access_?-?key|secret|token|passwo?r?d|passwd|credential)\w{0,40}[\\"']{0,4}\s{0,3}[:=]\s{0,3}[\\"']{0,4})(?!-?\d+\b)[^\s"'\\,;{}()<>[\]]{8,}/gi,
];

export function redactSecrets(text: string): string {
  const shaped = SHAPES.reduce((left, shape) => left.replace(shape, REDACTED), text);
  return BEHIND.reduce((left, shape) => left.replace(shape, `$1${REDACTED}`), shaped);
}
