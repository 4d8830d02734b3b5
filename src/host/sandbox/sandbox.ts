// What a host is started with, and what its starter learns of its end: the shapes that all walls share.
import type { Readable, Writable } from 'node:stream';
import type { Activity } from '../silence.ts';
import type { SandboxLimits } from './limits.ts';
import type { NetworkSetting } from './network-setting.ts';

/** Which wall this machine offers, found out by trying it (`detectSandbox`). */
export type Sandbox = Bubblewrap | Seatbelt | NoSandbox;

export interface Bubblewrap {
  readonly kind: 'bubblewrap';
  /** The program's path. */
  readonly command: string;
  /** Options of it that this version and this kernel take besides those that every wall needs. */
  readonly extra: readonly string[];
  /** False where the kernel refuses a network namespace: then only `open` can be had. */
  readonly ownNetwork: boolean;
  /** `prlimit` of util-linux; null where it is missing: then there are no limits on processes and memory. */
  readonly prlimit: string | null;
  /** Set when we are root: the host drops to a user of its own by this program (`setpriv` of util-linux). */
  readonly setpriv: string | null;
}

/** macOS: the SDK's own sandbox, around shell commands only. */
export interface Seatbelt {
  readonly kind: 'seatbelt';
}

export interface NoSandbox {
  readonly kind: 'none';
  readonly reason: string;
  /** The owner wrote `"sandbox": "off"`, or runs it where something else is the wall. */
  readonly accepted?: boolean;
}

export interface StartOptions {
  readonly sandbox: Sandbox;
  readonly program: { readonly command: string; readonly args: readonly string[] };
  /** All of it: nothing else of ours reaches the inside. */
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
  readonly directories: {
    /** Above the writable ones; itself not writable, and nothing else in it is to be seen. */
    readonly root: string;
    /** Folders in `root`, where `at` says inside. Each is a mount of its own, so none can be replaced by a link. They must exist. */
    readonly writable: readonly { readonly path: string; readonly at?: string }[];
    /** Absolute paths that look the same inside, where they exist. */
    readonly readOnly: readonly string[];
    /** Files or folders of ours shown read-only, in another place if `at` says so; it may depend on the user inside. */
    readonly incoming?: readonly {
      readonly path: string;
      readonly at?: string | ((uid: number) => string);
    }[];
  };
  /** From 0 on. `pipe` gives a stream in `stdio` of the process, as `spawn` does. */
  readonly stdio: readonly ('pipe' | 'ignore' | 'inherit')[];
  readonly network: NetworkSetting;
  /** Unix sockets of ours by name; inside, `openForwards` makes each a port on loopback. */
  readonly sockets?: Readonly<Record<string, string>>;
  readonly limits?: Partial<SandboxLimits>;
  readonly onNotice?: (notice: SandboxNotice) => void;
  /** Its use of memory and disk is looked at from `watch` on, not from the start: until then only our own program runs in it. */
  readonly watchedLater?: boolean;
}

/** Something an operator wants to know; the host goes on. */
export type SandboxNotice =
  | { readonly type: 'refused-host'; readonly host: string; readonly port: number; readonly reason: string }
  | { readonly type: 'limit'; readonly limit: keyof SandboxLimits; readonly message: string };

export interface SandboxedProcess {
  /** As this machine counts, of the outermost process. */
  readonly pid: number;
  readonly stdio: readonly (Readable | Writable | null)[];
  /** Ends everything in it at once. */
  kill(): void;
  /** Begins to look at what it uses; see `watchedLater`. */
  watch(): void;
  /** What its programs held at most since the last call, as far as was seen; null where nobody looks. */
  peakMemoryBytes(): number | null;
  /** Of the program itself; null when it cannot be known. */
  readonly activity: () => Promise<Activity | null>;
  /** Resolves when nothing of it runs any more, never rejects. */
  readonly ended: Promise<SandboxEnd>;
}

export interface SandboxEnd {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** Why it could not be started. */
  readonly failure?: string;
  /** We ended it, for it was over a limit: a sentence fit for the person in the chat. */
  readonly overLimit?: { readonly limit: keyof SandboxLimits; readonly message: string };
}
