// Handles that open one tenant only. Whoever works for a tenant (a turn, a request) is given these, not the stores: an id
// that came from elsewhere and names another tenant is refused before it reaches a store, whatever mistake brought it here.
// Invalid('other-tenant') is a defect of the caller or an attack, never something a person can mend.
import { Invalid } from './errors.ts';
import { type SessionKey, sessionKeyOf, type Tenant, tenantOf } from './ids.ts';
import type { TurnRequest } from './messages.ts';
import type {
  EventLog,
  ObjectStore,
  ScheduleStore,
  SessionState,
  SessionStore,
  WebhookStore,
} from './ports.ts';
import type { Lease } from './records.ts';

/** What is not here (the sweep's `expired`, `close`) belongs to the installation. */
type TenantCall = Exclude<keyof SessionStore, 'expired' | 'close'>;

export interface TenantStores {
  readonly store: SessionStore;
  readonly events?: EventLog;
  readonly objects?: ObjectStore;
  readonly state?: Partial<SessionState>;
  readonly schedules?: ScheduleStore;
  readonly webhooks?: WebhookStore;
}

type Naming<Port> = {
  readonly [Call in keyof Port]: Port[Call] extends (...given: infer Given) => unknown
    ? (...given: Given) => readonly string[]
    : never;
};

/** Which tenants a call names. A method that is missing here does not compile. */
const NAMED: Naming<Pick<SessionStore, TenantCall>> = {
  accept: (request) => ofRequest(request),
  begin: ({ request }) => ofRequest(request),
  renew: (lease) => ofLease(lease),
  commit: ({ lease, moveTo, fork }) => [
    ...ofLease(lease),
    ...(moveTo === undefined ? [] : [tenantOf(moveTo)]),
    ...(fork === undefined ? [] : [tenantOf(fork.sessionKey)]),
  ],
  advance: ({ lease }) => ofLease(lease),
  gather: ({ lease }) => ofLease(lease),
  setAnchor: (lease) => ofLease(lease),
  check: (lease) => ofLease(lease),
  settle: (lease) => ofLease(lease),
  release: (lease) => ofLease(lease),
  lease: ({ tenant }) => [tenant],
  requestStop: (tenant) => [tenant],
  reopen: (tenant) => [tenant],
  getTurn: (tenant) => [tenant],
  getMapping: (key) => [tenantOf(key)],
  getHead: (tenant) => [tenant],
  listMappings: (tenant) => [tenant],
  listHeads: (tenant, options) => [tenant, ...(options?.sessionKey ? [tenantOf(options.sessionKey)] : [])],
  listTurns: (key) => [tenantOf(key)],
  adopt: ({ sessionKey }) => [tenantOf(sessionKey)],
  erase: (key) => [tenantOf(key)],
  readLinks: (tenant) => [tenant],
  writeLinks: (tenant) => [tenant],
};

const EVENTS_NAMED: Naming<EventLog> = { append: (tenant) => [tenant], read: (tenant) => [tenant] };

/** What is due concerns the installation's clock. */
type ScheduleCall = Exclude<keyof ScheduleStore, 'due' | 'close'>;

const SCHEDULES_NAMED: Naming<Required<Pick<ScheduleStore, ScheduleCall>>> = {
  add: (schedule) => ofRequest(schedule),
  set: (schedule) => ofRequest(schedule),
  list: (key) => [tenantOf(key)],
  timeZoneOf: (key) => [tenantOf(key)],
  setTimeZone: (key) => [tenantOf(key)],
  erase: (key) => [tenantOf(key)],
  rang: ({ sessionKey }) => [tenantOf(sessionKey)],
};

type WebhookCall = Exclude<keyof WebhookStore, 'due' | 'close'>;

const WEBHOOKS_NAMED: Naming<Pick<WebhookStore, WebhookCall>> = {
  list: (tenant) => [tenant],
  add: ({ tenant }) => [tenant],
  set: ({ tenant }) => [tenant],
  remove: (tenant) => [tenant],
  enqueue: ({ tenant }) => [tenant],
  delivery: (tenant) => [tenant],
  update: ({ tenant }) => [tenant],
  log: (tenant) => [tenant],
  forget: (tenant) => [tenant],
};

/** What reads and writes nothing needs no binding. */
type StateCall = Exclude<
  keyof SessionState,
  'undoable' | 'undo' | 'redoable' | 'redo' | 'isBlank' | 'awayOf' | 'claim' | 'agentSessionOf'
>;

const STATE_NAMED: Naming<Pick<SessionState, StateCall>> = {
  restore: (head) => [head.tenant],
  checkpoint: ({ head }) => [head.tenant],
  compact: (head) => [head.tenant],
  collect: (keys) => keys.map(ownerOf),
  erase: (tenant) => [tenant],
  lent: (tenant) => [tenant],
  branch: (head) => [head.tenant],
};

type Bound<S extends TenantStores> = Pick<S, keyof TenantStores & keyof S>;

/** All that is given, bound to the tenant. */
export function forTenant<S extends TenantStores>(stores: S, tenant: Tenant): Bound<S> {
  const { store, events, objects, state, schedules, webhooks } = stores;
  const bound: TenantStores = {
    store: { ...bind<SessionStore, TenantCall>(store, NAMED, tenant), close: () => store.close() },
    ...(events && { events: bind(events, EVENTS_NAMED, tenant) }),
    ...(schedules && {
      schedules: {
        ...bind<ScheduleStore, ScheduleCall>(schedules, SCHEDULES_NAMED, tenant),
        close: () => schedules.close(),
      },
    }),
    ...(webhooks && {
      webhooks: {
        ...bind<WebhookStore, WebhookCall>(webhooks, WEBHOOKS_NAMED, tenant),
        close: () => webhooks.close(),
      },
    }),
    ...(objects && { objects: boundObjects(objects, tenant) }),
    ...(state && {
      state: { ...state, ...bind<SessionState, StateCall>(state as SessionState, STATE_NAMED, tenant) },
    }),
  };
  return bound as Bound<S>;
}

/** The same calls, each refused where it names another tenant. */
function bind<Port, Call extends keyof Port>(
  port: Port,
  naming: Naming<Pick<Port, Call>>,
  tenant: Tenant,
): Pick<Port, Call> {
  const names = Object.keys(naming) as Call[];
  const calls = names
    .filter((name) => typeof port[name] === 'function')
    .map((name) => {
      const named = naming[name] as (...given: unknown[]) => readonly string[];
      const checked = async (...given: unknown[]) => {
        requireTenant(tenant, named(...given));
        return await (port[name] as (...passed: unknown[]) => Promise<unknown>).apply(port, given);
      };
      return [name, checked] as const;
    });
  return Object.fromEntries(calls) as Pick<Port, Call>;
}

function boundObjects(objects: ObjectStore, tenant: Tenant): ObjectStore {
  const check = (key: string) => requireTenant(tenant, [ownerOf(key)]);
  return {
    async put(key, body) {
      check(key);
      return await objects.put(key, body);
    },
    async get(key, range) {
      check(key);
      return await objects.get(key, range);
    },
    async *stream(key) {
      check(key);
      yield* objects.stream(key);
    },
    async *list(prefix) {
      check(prefix);
      yield* objects.list(prefix);
    },
    async delete(keys) {
      for (const key of keys) check(key);
      await objects.delete(keys);
    },
  };
}

/** A request names its conversation twice: both must be the same one. */
function ofRequest({ sessionKey, conversation }: Pick<TurnRequest, 'sessionKey' | 'conversation'>): string[] {
  return [tenantOf(sessionKey), tenantOf(keyOrNone(conversation))];
}

function keyOrNone(conversation: TurnRequest['conversation']): SessionKey {
  try {
    return sessionKeyOf(conversation);
  } catch {
    return '' as SessionKey;
  }
}

/** Of an object, or of a prefix that ends in `/` or goes on. */
function ownerOf(key: string): string {
  return key.includes('/') ? key.slice(0, key.indexOf('/')) : '';
}

function ofLease({ tenant, sessionKey }: Lease): string[] {
  return [tenant, tenantOf(sessionKey)];
}

function requireTenant(tenant: Tenant, named: readonly string[]): void {
  if (named.some((one) => one !== tenant)) {
    throw new Invalid('other-tenant', 'This belongs to another tenant.');
  }
}
