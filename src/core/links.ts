// Which conversations share one session. One of them, the home, has the session; the others, its guests, point at it, so there
// are no chains. A guest comes to be by a code: asked for in the home, said in the guest. Everything is decided here, over
// notes that the store changes together or not at all; whoever loses a race looks again. design/links.md tells the rest.
import { createHash, randomInt, timingSafeEqual } from 'node:crypto';
import { z } from 'zod';
import { systemClock } from './clock.ts';
import { Refused } from './errors.ts';
import { type SessionKey, type TurnId, tenantOf } from './ids.ts';
import type { TurnRequest } from './messages.ts';
import type { Clock } from './ports/clock.ts';
import type { LinkChange, LinkNote } from './ports/links.ts';
import type { SessionStore } from './ports/store.ts';

/** Letters and digits that nobody takes for another one. */
const ALPHABET = 'ABCDEFGHJKMNPQRSTVWXYZ23456789';
const CODE_LENGTH = 8;
export const CODE_MINUTES = 10;
const CODE_MS = CODE_MINUTES * 60_000;
/** Wrong codes within an hour, after which no other is tried. */
export const GUESSES = { chat: 5, tenant: 100 } as const;
const GUESS_MS = 3_600_000;
/** How long a code that was used answers the message that used it. */
const REMEMBERED_SEC = 7 * 86_400;
const MAX_GUESTS = 8;
const TRIES = 20;

const key = z.string().transform((text) => text as SessionKey);
const turnId = z.string().transform((text) => text as TurnId);
/** How a chat is written to when nobody has written in it. */
const place = z.object({
  conversation: z.object({
    tenant: z.string(),
    channel: z.string(),
    bot: z.string(),
    chat: z.string(),
    thread: z.string().nullable(),
  }),
  replyTarget: z.json(),
});
export type Place = Pick<TurnRequest, 'conversation' | 'replyTarget'>;

const chatSchema = z.object({
  /** Whose session it shares. */
  home: z.object({ key, place, isEnding: z.boolean().optional() }).nullable().default(null),
  /** Who shares its session. */
  guests: z.array(z.object({ key, place })).default([]),
  /** Digest of the last code that was asked for here. */
  offer: z.string().nullable().default(null),
});
const offerSchema = z.object({
  home: key,
  place,
  expiresAtMs: z.number(),
  usedBy: turnId.nullable(),
});
const guessesSchema = z.array(z.object({ by: z.string(), atMs: z.number() }));

type ChatLinks = z.infer<typeof chatSchema>;
type Guesses = z.infer<typeof guessesSchema>;
const NONE: ChatLinks = chatSchema.parse({});

export type Redeemed =
  | { readonly outcome: 'linked'; readonly home: SessionKey; readonly place: Place }
  | {
      readonly outcome: 'wrong-code' | 'too-many-guesses' | 'same-chat' | 'has-guests' | 'is-guest' | 'full';
    };

type Notes = Pick<SessionStore, 'readLinks' | 'writeLinks'>;

export interface Linking {
  /** The conversation whose session this one shares, null for its own. */
  homeOf(chat: SessionKey): Promise<SessionKey | null>;
  /** The same, and whether its other chat has said that the link ends. */
  linkOf(chat: SessionKey): Promise<{ readonly home: SessionKey; readonly isEnding: boolean } | null>;
  /** Says to all that share its session that their link ends: what they say from now on may be the last that they say here. */
  beginUnlink(home: SessionKey): Promise<void>;
  /** How the chat whose session this one shares is written to. */
  placeOfHome(guest: SessionKey): Promise<Place | null>;
  /** Where else people are in this session. */
  guestsOf(home: SessionKey): Promise<readonly { readonly key: SessionKey; readonly place: Place }[]>;
  /** A new code, good once, for ten minutes; the one before is good no more. */
  offer(home: SessionKey, at: Place): Promise<string>;
  /** Whose code it is; null for one that is not good now. Nothing is counted. */
  homeByCode(chat: SessionKey, code: string): Promise<SessionKey | null>;
  /** The same message gets the same answer, however often. */
  redeem(code: string, guest: SessionKey, at: Place, by: TurnId): Promise<Redeemed>;
  /** Ends the link between the two, in whichever order; null when there is none. Of a home alone: all of its links. */
  unlink(
    chat: SessionKey,
    of: SessionKey,
  ): Promise<readonly { readonly key: SessionKey; readonly place: Place }[]>;
  /** Ends every link of a chat, and its code. */
  forget(chat: SessionKey): Promise<void>;
}

/** null where no links are kept. */
export function linkingOf(
  { readLinks, writeLinks }: Partial<Notes>,
  clock: Pick<Clock, 'now'> = systemClock,
): Linking | null {
  return readLinks && writeLinks ? createLinking({ readLinks, writeLinks }, clock) : null;
}

export function createLinking(notes: Notes, clock: Pick<Clock, 'now'>): Linking {
  /** Reads, decides and writes until nobody was in between. */
  async function change<T>(of: SessionKey, decide: (book: Book) => Promise<T | typeof TORN>): Promise<T> {
    for (let tries = 0; tries < TRIES; tries++) {
      const book = openBook((names) => notes.readLinks(tenantOf(of), names));
      const result = await decide(book);
      if (result === TORN) continue;
      const changes = book.changes();
      if (changes.length === 0 || (await notes.writeLinks(tenantOf(of), changes))) return result;
    }
    throw new Refused('links-contended', 'The links of these chats change too fast.', {
      retryAfterMs: 1_000,
    });
  }

  async function chatOf(chat: SessionKey): Promise<ChatLinks> {
    const [note] = await notes.readLinks(tenantOf(chat), [chatName(chat)]);
    return note ? chatSchema.parse(note.value) : NONE;
  }

  return {
    homeOf: async (chat) => (await chatOf(chat)).home?.key ?? null,
    async linkOf(chat) {
      const { home } = await chatOf(chat);
      return home && { home: home.key, isEnding: home.isEnding ?? false };
    },
    async beginUnlink(home) {
      await change(home, async (book) => {
        for (const guest of (await book.chat(home)).guests) {
          const theirs = await book.chat(guest.key);
          if (theirs.home?.key !== home || theirs.home.isEnding) continue;
          book.setChat(guest.key, { ...theirs, home: { ...theirs.home, isEnding: true } });
        }
      });
    },
    placeOfHome: async (guest) => (await chatOf(guest)).home?.place ?? null,
    guestsOf: async (home) => (await chatOf(home)).guests,

    async offer(home, at) {
      const code = Array.from({ length: CODE_LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('');
      const digest = digestOf(home, code);
      const expiresAtMs = clock.now() + CODE_MS;
      await change(home, async (book) => {
        const own = await book.chat(home);
        if (own.offer !== null) await book.setOffer(own.offer, null);
        await book.setOffer(digest, { home, place: at, expiresAtMs, usedBy: null }, expiresAtMs);
        book.setChat(home, { ...own, offer: digest });
      });
      return code.replace(/^.{4}/, '$&-');
    },

    async homeByCode(chat, code) {
      const digest = digestOf(chat, plain(code));
      const [note] = await notes.readLinks(tenantOf(chat), [offerName(digest)]);
      const offer = note && offerSchema.parse(note.value);
      return offer && (offer.usedBy !== null || offer.expiresAtMs > clock.now()) ? offer.home : null;
    },

    async redeem(code, guest, at, by) {
      const nowMs = clock.now();
      const digest = digestOf(guest, plain(code));
      return await change(guest, async (book): Promise<Redeemed | typeof TORN> => {
        const offer = await book.offer(digest);
        if (offer?.usedBy === by) return { outcome: 'linked', home: offer.home, place: offer.place };
        const guesses = { chat: await book.guesses(chatName(guest)), tenant: await book.guesses('') };
        const recent = (of: Guesses) => of.filter(({ atMs }) => atMs > nowMs - GUESS_MS);
        const isFull = (of: 'chat' | 'tenant') =>
          recent(guesses[of]).filter((one) => one.by !== by).length >= GUESSES[of];
        // Before the code is looked at: a right one is not to be told from a wrong one then.
        if (isFull('chat') || isFull('tenant')) return { outcome: 'too-many-guesses' };
        const own = await book.chat(guest);
        const home = offer && (await book.chat(offer.home));
        const isOpen = offer && offer.usedBy === null && offer.expiresAtMs > nowMs;
        // An offer and its chat change together: somebody did that between the two looks, perhaps for this very order.
        if (isOpen && !isSame(home?.offer, digest)) return TORN;
        if (!isOpen || !home) {
          for (const [name, of] of [
            [chatName(guest), guesses.chat],
            ['', guesses.tenant],
          ] as const) {
            if (of.some((one) => one.by === by)) continue;
            book.setGuesses(name, [...recent(of), { by, atMs: nowMs }], nowMs + GUESS_MS);
          }
          return { outcome: 'wrong-code' };
        }
        if (offer.home === guest) return { outcome: 'same-chat' };
        if (own.home !== null || home.home !== null) return { outcome: 'is-guest' };
        if (own.guests.length > 0) return { outcome: 'has-guests' };
        if (home.guests.length >= MAX_GUESTS) return { outcome: 'full' };
        await book.setOffer(digest, { ...offer, usedBy: by }, nowMs + REMEMBERED_SEC * 1_000);
        book.setChat(guest, { ...own, home: { key: offer.home, place: offer.place } });
        book.setChat(offer.home, {
          ...home,
          offer: null,
          guests: [...home.guests, { key: guest, place: at }],
        });
        return { outcome: 'linked', home: offer.home, place: offer.place };
      });
    },

    async unlink(chat, of) {
      return await change(chat, async (book) => {
        const own = await book.chat(chat);
        if (own.home !== null) {
          if (own.home.key !== of) return [];
          const home = await book.chat(of);
          book.setChat(chat, { ...own, home: null });
          book.setChat(of, { ...home, guests: home.guests.filter((guest) => guest.key !== chat) });
          return [own.home];
        }
        if (chat !== of) return [];
        for (const guest of own.guests) {
          const theirs = await book.chat(guest.key);
          if (theirs.home?.key === chat) book.setChat(guest.key, { ...theirs, home: null });
        }
        book.setChat(chat, { ...own, guests: [] });
        return own.guests;
      });
    },

    async forget(chat) {
      const home = await this.homeOf(chat);
      await this.unlink(chat, home ?? chat);
      await change(chat, async (book) => {
        const own = await book.chat(chat);
        if (own.offer !== null) await book.setOffer(own.offer, null);
        book.setChat(chat, { ...own, offer: null });
        await book.guesses(chatName(chat));
        book.setGuesses(chatName(chat), []);
      });
    },
  };
}

/** What was read is of two moments: everything is read anew. */
const TORN = Symbol('torn');

interface Book {
  chat(of: SessionKey): Promise<ChatLinks>;
  offer(digest: string): Promise<z.infer<typeof offerSchema> | null>;
  guesses(name: string): Promise<Guesses>;
  setChat(of: SessionKey, links: ChatLinks): void;
  setOffer(digest: string, offer: z.infer<typeof offerSchema> | null, untilMs?: number): Promise<void>;
  setGuesses(name: string, guesses: Guesses, untilMs?: number): void;
  changes(): readonly LinkChange[];
}

/** What was read, each at one version, and what is to become of it. */
function openBook(read: (names: readonly string[]) => Promise<readonly (LinkNote | null)[]>): Book {
  const known = new Map<string, LinkNote | null>();
  const changed = new Map<string, Omit<LinkChange, 'name' | 'over'>>();
  async function noteValue(name: string): Promise<unknown> {
    if (!known.has(name)) known.set(name, (await read([name]))[0] ?? null);
    return known.get(name)?.value ?? null;
  }
  const until = (ms?: number) => (ms === undefined ? {} : { expiresAtSec: Math.ceil(ms / 1_000) });
  const guessName = (name: string) => `guesses ${name}`;
  return {
    async chat(of) {
      const value = await noteValue(chatName(of));
      return value === null ? NONE : chatSchema.parse(value);
    },
    async offer(digest) {
      const value = await noteValue(offerName(digest));
      return value === null ? null : offerSchema.parse(value);
    },
    async guesses(name) {
      const value = await noteValue(guessName(name));
      return value === null ? [] : guessesSchema.parse(value);
    },
    setChat(of, links) {
      const isEmpty = links.home === null && links.guests.length === 0 && links.offer === null;
      changed.set(chatName(of), { value: isEmpty ? null : links });
    },
    async setOffer(digest, offer, untilMs) {
      await noteValue(offerName(digest));
      changed.set(offerName(digest), { value: offer, ...until(untilMs) });
    },
    setGuesses(name, guesses, untilMs) {
      changed.set(guessName(name), { value: guesses.length === 0 ? null : guesses, ...until(untilMs) });
    },
    changes: () =>
      [...changed].flatMap(([name, change]) => {
        const over = known.get(name)?.version ?? null;
        return over === null && change.value === null ? [] : [{ name, over, ...change }];
      }),
  };
}

/** Keys can be long: their digest stands for them. */
function chatName(chat: SessionKey): string {
  return `chat ${createHash('sha256').update(chat).digest('hex')}`;
}

function offerName(digest: string): string {
  return `offer ${digest}`;
}

/** A code is stored by its digest alone, and is another one in another tenant. */
function digestOf(chat: SessionKey, code: string): string {
  return createHash('sha256')
    .update(`link\n${tenantOf(chat)}\n${code}`)
    .digest('hex');
}

/** As people write it: in small letters, with blanks and dashes. */
function plain(code: string): string {
  return code.replace(/[\s-]/g, '').toUpperCase();
}

function isSame(a: string | null | undefined, b: string): boolean {
  const [one, other] = [Buffer.from(a ?? ''), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}
