// What the API's routes need: ports and data, no vendor and no file system. The same routes work in any server that
// uses `Request` and `Response`.
import type { Context } from 'hono';
import type { Admit } from '../core/admission.ts';
import { DEFAULT_TENANT } from '../core/defaults.ts';
import type { Tenant } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type {
  Clock,
  EventLog,
  FileTransfers,
  ObjectStore,
  Places,
  ScheduleStore,
  SessionState,
  SessionStore,
  TurnQueue,
  UsageLedger,
  WebhookStore,
  WebhookWakes,
  WorkspaceReader,
} from '../core/ports.ts';
import type { RetentionOf } from '../core/retention.ts';
import type { Scope } from '../core/scopes.ts';
import type { SecretReference } from '../core/secret-reference.ts';
import type { StandingOf } from '../core/standing.ts';
import type { WhileRunning } from '../core/while-running.ts';
import type { Trigger } from '../triggers/trigger-file.ts';

/** What `GET /v1/info` answers and the page's banner shows. */
export interface ServerInfo {
  readonly name: string;
  readonly version: string;
  readonly model: { readonly demo: boolean; readonly name: string };
  /** Where tools run, in words: `bubblewrap`, `sdk` or `none`. */
  readonly sandbox: string;
  /** A sentence that people on the page should read, e.g. what the lack of a sandbox means. */
  readonly notice?: string;
  readonly tools: readonly string[];
  readonly workers: number;
}

/** Whose chats these are; the installation's own when left out. */
export interface Owner {
  readonly name: string;
  readonly tenant: Tenant;
  /** One person, who sees their own chats only; left out, the owner's programs, which have chats of their own. */
  readonly user?: { readonly id: string; readonly name: string | null };
  /** All of them when left out. */
  readonly scopes?: readonly Scope[] | undefined;
}

export const OWN: Owner = { name: DEFAULT_TENANT, tenant: DEFAULT_TENANT };

export interface ApiDeps {
  readonly owner?: Owner;
  readonly store: SessionStore;
  readonly queue: Pick<TurnQueue, 'send'>;
  readonly events: EventLog;
  readonly state: Pick<SessionState, 'erase' | 'undoable' | 'redoable' | 'awayOf'>;
  /** Where files of turns are; without it none are kept. */
  readonly objects?: ObjectStore;
  /** How files reach `objects`, and people. */
  readonly transfers?: FileTransfers;
  /** Without it files of sessions cannot be read here. */
  readonly workspace?: WorkspaceReader;
  readonly clock: Clock;
  readonly log: Log;
  readonly info: ServerInfo;
  readonly retentionSec: number;
  readonly retentionOf?: RetentionOf;
  readonly standing?: StandingOf;
  readonly admit?: Admit;
  /** What a message does to a turn that runs. */
  readonly whileRunning?: WhileRunning;
  /** What an erased chat is forgotten in, too. */
  readonly usage?: Pick<UsageLedger, 'erase'>;
  readonly places?: Pick<Places, 'erase'>;
  /** Without it nothing can be scheduled here. */
  readonly schedules?: ScheduleStore;
  /** Without it nothing is sent to webhooks here. */
  readonly webhooks?: WebhookStore;
  readonly webhookWakes?: WebhookWakes;
  /** Why nothing may be sent to an address; null when it may. */
  readonly webhookFaultOf?: (url: URL) => string | null;
  /** Of the agent folder, and the way to their secrets. */
  readonly triggers?: {
    readonly list: readonly Trigger[];
    secret(reference: SecretReference): Promise<string>;
  };
  /** Of chats that have chosen none. @default UTC */
  readonly timeZone?: string;
  /** For Prometheus; without it there is nothing at /metrics. */
  readonly metrics?: { readonly contentType: string; text(): Promise<string> };
  /** Aborts when the server ends: waiting requests and streams end with it. */
  readonly ending?: AbortSignal;
}

/** One route as the app registers it and `openapi.json` describes it. `{x}` marks a path parameter. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'delete';
  readonly path: string;
  readonly open?: boolean;
  /** Not for the key of a tenant, nor for a person. */
  readonly installation?: boolean;
  /** Not for a person. */
  readonly program?: boolean;
  /** @default `read` for `get`, else `write` */
  readonly scope?: Scope;
  readonly handle: (context: Context) => Response | Promise<Response>;
}
