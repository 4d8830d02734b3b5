// Names of hosts that an agent may reach: "example.com" (that name), "*.example.com" (every name below it, not itself),
// "*" (every name), an address, each with ":port" where it is another port than 80 and 443. Compared in one spelling, so
// that neither case, a dot at the end, nor an address written in an odd way slips past.
import { isIP } from 'node:net';
import { domainToASCII } from 'node:url';

export interface Destination {
  /** As `hostOf` spells it. */
  readonly host: string;
  readonly port: number;
}

interface HostPattern {
  /** A host; for a wildcard what follows the star: "" or ".example.com". */
  readonly host: string;
  readonly wildcard: boolean;
  /** null: the usual ports. */
  readonly port: number | null;
}

/** Without one in the pattern: HTTP and HTTPS. */
const USUAL_PORTS = [80, 443];

const LABEL = '[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?';
const NAME = new RegExp(`^(?=.{1,253}$)${LABEL}(?:\\.${LABEL})*$`);
const NOT_OF_A_NAME = /[\s\0-\x20\x7f/\\?#@:%<>^|[\]]/;
/** What the system's resolver takes for an address, besides those that `isIP` knows: 127.1, 0x7f000001, 2130706433. */
const NUMERIC = /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/;

/** One spelling of a name or address; null for what is neither. */
export function hostOf(text: string): string | null {
  const bare = /^\[(.*)\]$/.exec(text)?.[1] ?? text;
  if (isIP(bare) === 6) return bare.includes('%') ? null : canonicalSix(bare);
  if (bare !== text) return null;
  if (isIP(text) === 4) return text;
  // domainToASCII takes the beginning of a URL for a name, and leaves out what it does not like.
  if (NOT_OF_A_NAME.test(text)) return null;
  const name = domainToASCII(text.replace(/\.$/, '')).toLowerCase();
  // domainToASCII reads odd addresses as a browser would; they are refused, not read.
  if (isIP(name) !== 0 || NUMERIC.test(text.toLowerCase().replace(/\.$/, ''))) return null;
  return NAME.test(name) ? name : null;
}

export function isHostPattern(text: string): boolean {
  return parse(text) !== null;
}

/** Whether one of the patterns names it. */
export function isListed(patterns: readonly string[], destination: Destination): boolean {
  return patterns.some((text) => {
    const pattern = parse(text);
    if (pattern === null) return false;
    const { host, port } = destination;
    if (pattern.port === null ? !USUAL_PORTS.includes(port) : pattern.port !== port) return false;
    if (!pattern.wildcard) return pattern.host === host;
    return isIP(host) === 0 && host.endsWith(pattern.host) && host !== pattern.host.slice(1);
  });
}

/** The pattern that names what both of them name; null when there is nothing. */
export function commonPattern(one: string, other: string): string | null {
  const [a, b] = [parse(one), parse(other)];
  if (a === null || b === null) return null;
  const host = namesAll(a, b) ? b : namesAll(b, a) ? a : null;
  const port = a.port === b.port || b.port === null ? a.port : a.port === null ? b.port : undefined;
  if (host === null || port === undefined) return null;
  // Without a port a pattern means the usual ones.
  const isNarrowed = a.port !== b.port;
  if (isNarrowed && !USUAL_PORTS.includes(port ?? 0)) return null;
  const name = host.wildcard ? `*${host.host}` : isIP(host.host) === 6 ? `[${host.host}]` : host.host;
  return port === null ? name : `${name}:${port}`;
}

/** Every host that `b` names, whatever the port. */
function namesAll(a: HostPattern, b: HostPattern): boolean {
  if (!a.wildcard) return !b.wildcard && a.host === b.host;
  if (b.wildcard) return b.host.endsWith(a.host);
  return isIP(b.host) === 0 && b.host.endsWith(a.host) && b.host !== a.host.slice(1);
}

function parse(text: string): HostPattern | null {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d{1,5}))?$/.exec(text);
  // An address with colons may stand without brackets when no port follows.
  const [written, port] = match ? [match[1] ?? '', match[2]] : [text, undefined];
  const number = port === undefined ? null : Number(port);
  if (number !== null && (number < 1 || number > 65_535)) return null;
  if (written === '*') return { host: '', wildcard: true, port: number };
  const wildcard = written.startsWith('*.');
  const host = hostOf(wildcard ? written.slice(2) : written);
  if (host === null || (wildcard && isIP(host) !== 0)) return null;
  return { host: wildcard ? `.${host}` : host, wildcard, port: number };
}

function canonicalSix(address: string): string {
  return new URL(`http://[${address}]/`).hostname.slice(1, -1);
}
