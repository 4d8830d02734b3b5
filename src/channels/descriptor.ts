// What a channel is to the rest of the system: one value that says which settings it has, how it answers, how
// messages come in, what a deployment sets up for it, and what an operator is told. Every wiring is derived from a
// list of these (index.ts); design/channels.md is the how-to. A descriptor is read by every program, so it
// imports nothing heavy: what its methods need they `import()`.
import type { z } from 'zod';
import type { Conversation, SessionKey } from '../core/ids.ts';
import type { Log } from '../core/log.ts';
import type { TurnRequest } from '../core/messages.ts';
import type { OfferedCommand } from '../core/offered-commands.ts';
import type { Channel, ChannelCapabilities, ChannelNotes, Clock, EventLog } from '../core/ports.ts';
import type { TenantAccess, TenantBot } from '../core/tenants.ts';
import type { Finding, Probe } from './finding.ts';

/**
 * Who is given a setting, and nobody else is. `outgoing`: the workers. `webhook`: whoever answers its routes.
 * `poller`: the local server. `setup`: what runs at deployment.
 */
export type Part = 'outgoing' | 'webhook' | 'poller' | 'setup';

interface SettingBase {
  readonly usedBy: readonly Part[];
  /** What it is, in a few words. */
  readonly about: string;
}

/**
 * Never in a file or a variable of a function. On AWS it is a parameter: the deployment's settings name it as
 * `<field>Parameter`.
 */
export interface SecretSetting extends SettingBase {
  readonly kind: 'secret';
  readonly schema: z.ZodType<string>;
  /** Variable of a local system. Without one it cannot be given there. */
  readonly env?: string;
  /** Nobody has to know it beforehand: a deployment makes it and takes it back. */
  readonly made?: true;
}

/** Plain JSON. In a local system it comes from its variable, or without one from the configuration file. */
export interface ConfigSetting extends SettingBase {
  readonly kind: 'config';
  readonly schema: z.ZodType;
  readonly env?: string;
  /** Where a deployment is stricter. */
  readonly deploySchema?: z.ZodType;
}

export type Settings = Readonly<Record<string, SecretSetting | ConfigSetting>>;

/** The values that one part is given. */
export type SettingsFor<S extends Settings, P extends Part> = {
  readonly [K in keyof S as P extends S[K]['usedBy'][number] ? K : never]: z.output<S[K]['schema']>;
};

/** The values of a local system. A secret that none of its parts needs may be missing. */
export type LocalSettings<S extends Settings> = {
  readonly [K in keyof S]: S[K] extends SecretSetting ? string | undefined : z.output<S[K]['schema']>;
};

export interface OutgoingContext<Values> {
  readonly settings: Values;
  readonly events: EventLog;
  /** Shared by all workers of the installation. */
  readonly notes: ChannelNotes;
  readonly log: Log;
  /** How long text is gathered before the event log is written; longer where every write is billed. */
  readonly gatherMs?: number;
}

export interface InletContext<Values, I extends string = string> {
  readonly settings: Values;
  readonly tenant: string;
  /** Values of secrets that callers may still show while they are changed, by field. */
  readonly alsoAccepted?: Readonly<Record<string, readonly string[]>>;
  /** What `setup.identify` told of this channel's account: at deployment, or in a local system when first needed. */
  readonly identity: Readonly<Record<I, string>>;
  /** Resolves once the turn is durable in the queue; only then may the message be acknowledged (ACKED). */
  readonly accept: (request: TurnRequest) => Promise<void>;
  /** Asks a conversation's unfinished turns that `applies` holds for to stop; resolves to how many there are. */
  readonly stop: (
    key: SessionKey,
    applies: (turn: Pick<TurnRequest, 'dedupeId'>) => boolean,
  ) => Promise<number>;
  /** Lets a conversation go on, with its session, under another key; resolves once that is durable in the queue. */
  readonly move: (from: Conversation, to: Conversation, atMs: number) => Promise<void>;
  /** Besides those that every chat knows: to be offered and explained where the platform does that. */
  readonly commands?: readonly OfferedCommand[];
  readonly clock: Clock;
  readonly log: Log;
}

/** Path below `/<name>`: '' or one that begins with `/`, with `:part` for what varies. */
export interface WebhookRoute {
  readonly method: 'GET' | 'POST';
  readonly path: string;
}

export type WebhookHandler = (request: Request) => Promise<Response>;

export interface ChannelDescriptor<
  N extends string = string,
  S extends Settings = Settings,
  I extends string = string,
> {
  /** In session keys, paths, variables and settings: a lower-case word. Never changed later. */
  readonly name: N;
  /** As people write it. */
  readonly title: string;
  /** None: the channel is always on. Else it is on where its settings are given. */
  readonly settings: S;
  /** What `setup.identify` tells; not secret. */
  readonly identity?: readonly I[];
  outgoing(context: OutgoingContext<SettingsFor<S, 'outgoing'>>): Promise<Channel>;
  /** The platform calls us. Each handler checks its caller itself: nobody did before. */
  readonly webhook?: {
    readonly routes: readonly WebhookRoute[];
    /** Called once, before the first request; answers every route. */
    open(context: InletContext<SettingsFor<S, 'webhook'>, I>): Promise<WebhookHandler>;
  };
  /** We call the platform: for a local system, which takes it rather than the webhook. */
  readonly poller?: {
    /** A secret of the settings: without it there is nothing to poll with, and the webhook is taken. */
    readonly by?: keyof S & string;
    /** Runs until `signal` aborts. What it waits out it logs; it rejects only when going on is no use. */
    run(
      context: Omit<InletContext<SettingsFor<S, 'poller'>, I>, 'identity'>,
      signal: AbortSignal,
    ): Promise<void>;
  };
  readonly setup?: {
    identify?(settings: SettingsFor<S, 'setup'>): Promise<Readonly<Record<I, string>>>;
    /** `url` is the address that the routes are below. Repeated at every change of settings. */
    register?(
      settings: SettingsFor<S, 'setup'>,
      url: string,
      commands: readonly OfferedCommand[],
    ): Promise<void>;
    /** Takes back what `register` did to this `url`, and nothing that somebody else did since. */
    unregister?(settings: SettingsFor<S, 'setup'>, url: string): Promise<void>;
  };
  /** Where tenants can have bots of their own on this platform. */
  readonly bots?: {
    /** Of its `Channel`, before any bot is known. */
    readonly capabilities: ChannelCapabilities;
    /** Configuration of a bot in the registry, in place of what the installation's own bot has. Lists fail closed. */
    settings(access: TenantAccess | undefined): Readonly<Record<string, unknown>>;
    /** Which bot the secrets among these settings belong to, where they tell. */
    idOf?(settings: Readonly<Record<string, unknown>>): string | null;
    /** What `setup.identify` would tell. */
    identity(bot: TenantBot): Readonly<Record<I, string>>;
  };
  /** For the operator, when a local system starts. */
  describe?(settings: LocalSettings<S>): string;
  /** For `doctor`, where the channel is on. */
  doctor?(settings: LocalSettings<S>, probe: Probe): Promise<Omit<Finding, 'name'>>;
  /** For the project that `init` writes: what its part of the configuration file decides, and how to switch it on. */
  readonly init?: {
    readonly decides: string;
    readonly readme: string;
    /**
     * Where a platform makes apps from a description: that of one which calls this address, or which we call (null).
     * `init --<name>` prints it.
     */
    manifest?(address: string | null): Promise<object>;
  };
}

/** Keeps the types of settings and identity, so that each method is given exactly what it declared. */
export function defineChannel<
  const N extends string,
  const S extends Settings,
  const I extends string = never,
>(descriptor: ChannelDescriptor<N, S, I>): ChannelDescriptor<N, S, I> {
  return descriptor;
}
