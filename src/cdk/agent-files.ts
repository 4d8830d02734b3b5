// The agent's folder on its way into the image: what is copied, and what is left behind. Whoever can read the image can
// read all of it, and so can the agent; so files that usually hold secrets stay out, as does what tools leave lying about.
import {
  accessSync,
  chmodSync,
  constants,
  copyFileSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { join, sep } from 'node:path';
import { Invalid } from '../core/errors.ts';

const STAYS_OUT = [
  /^\.env(rc|\..+)?$/,
  /^\.(npmrc|yarnrc\.yml|netrc|pypirc|pgpass|git-credentials|htpasswd)$/,
  /^\.(git|aws|ssh|gnupg|docker|kube|azure|gcloud|hybrid-sessions|DS_Store)$/,
  /\.(pem|key|p12|pfx|jks|keystore|kdbx)$/i,
  /^id_(rsa|dsa|ecdsa|ed25519)$/,
  /^cdk\.out$/,
];
/** Shows which variables there are, and none of their values. */
const EXAMPLE = /^\.env\.(example|sample|template)$/;

export interface AgentFiles {
  /** Below the folder, with `/`. */
  readonly taken: readonly string[];
  readonly leftOut: readonly string[];
}

/** Throws `Invalid('unreadable-file')` that names the first file that cannot be copied. */
export function listAgentFiles(folder: string): AgentFiles {
  const taken: string[] = [];
  const leftOut: string[] = [];
  const walk = (below: string) => {
    requireReadable(join(folder, below), below === '' ? folder : below);
    for (const entry of readdirSync(join(folder, below), { withFileTypes: true })) {
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      if (staysOut(entry.name)) leftOut.push(path);
      else if (entry.isDirectory()) walk(path);
      else if (entry.isSymbolicLink()) {
        requireInside(folder, path);
        taken.push(path);
      } else if (entry.isFile()) {
        requireReadable(join(folder, path), path);
        taken.push(path);
      } else leftOut.push(path);
    }
  };
  walk('');
  return { taken: taken.sort(), leftOut: leftOut.sort() };
}

/** In the image everybody may read the files: the function runs as a user of its own. */
export function copyAgentFiles(folder: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const path of listAgentFiles(folder).taken) {
    const target = join(to, path);
    mkdirSync(join(target, '..'), { recursive: true, mode: 0o755 });
    const from = join(folder, path);
    if (isLink(from)) symlinkSync(readlinkSync(from), target);
    else {
      copyFileSync(from, target);
      chmodSync(target, statSync(from).mode & 0o111 ? 0o755 : 0o644);
    }
  }
}

function staysOut(name: string): boolean {
  return !EXAMPLE.test(name) && STAYS_OUT.some((pattern) => pattern.test(name));
}

function isLink(path: string): boolean {
  try {
    readlinkSync(path);
    return true;
  } catch {
    return false;
  }
}

function requireInside(folder: string, path: string): void {
  const root = realpathSync(folder);
  try {
    if (realpathSync(join(folder, path)).startsWith(`${root}${sep}`)) return;
  } catch {}
  throw new Invalid('link-leads-out', `${path}: a link to something that is not in the agent folder.`, {
    advice: 'The image has that folder only: copy what is meant into it.',
  });
}

/** Root may read anything; a file that nobody may read is a mistake then, too. */
function requireReadable(path: string, shown: string): void {
  try {
    accessSync(path, constants.R_OK);
    if ((statSync(path).mode & 0o444) !== 0) return;
  } catch {}
  throw new Invalid('unreadable-file', `${shown}: cannot be read, and belongs to the agent folder.`, {
    advice: 'Give yourself the right to (chmod u+r), or move it out of the folder.',
  });
}
