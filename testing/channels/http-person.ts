// Ann, who uses a product that talks to the HTTP API with the project's own client: each message is followed as it is
// answered.
import { ApiProblem, type Chat, type Client, createClient, type Question } from '../../src/client/index.ts';
import type { Line, Platform } from './person.ts';

const CHAT = 'ann';
const NO_FILES = 'files do not go over the HTTP API yet; the answer names them';
const LABELS = { 'Allow once': 'once', 'Allow for this chat': 'chat' } as const;

export function openHttp(): Platform {
  let client: Client | null = null;
  const api = (): Client => {
    if (!client) throw new Error('The system has not been found yet.');
    return client;
  };
  const seen: string[] = [];

  /** What grows on the page; a break is not the end of the turn. */
  async function follow(turnId: string): Promise<void> {
    let text = '';
    try {
      for await (const event of api().follow(turnId)) {
        if (event.type === 'text') text += event.text;
        if (event.type === 'final') text = event.reply.text;
        if (text !== seen.at(-1)) seen.push(text);
      }
    } catch (error) {
      seen.push(`(no more was heard: ${error instanceof Error ? error.message : String(error)})`);
    }
  }
  const say = async (text: string) => void follow(await api().send(CHAT, text).accepted);

  return {
    person: {
      channel: 'HTTP',
      can: {
        streams: 'yes',
        picks: 'yes',
        sendsPictures: { no: NO_FILES },
        getsFiles: { no: NO_FILES },
        longAnswers: 'yes',
      },
      writes: say,
      async picks(label) {
        const { questions } = await api().questions(CHAT);
        const id = questions[0]?.id ?? '';
        const decision = LABELS[label as keyof typeof LABELS];
        const sent = api().answer(CHAT, id, decision ? { decision } : { decision: 'reply', text: label });
        void follow(await sent.accepted);
      },
      sendsPicture: say,
      async lines() {
        const { turns } = await api().chat(CHAT, { limit: 100 }).catch(emptyChat);
        return turns.flatMap(({ text, reply }): Line[] => {
          const ann: Line = { by: 'Ann', text };
          if (!reply || reply.code === 'gathered') return [ann];
          return [ann, { by: 'Bot', text: reply.text, buttons: (reply.asked ?? []).flatMap(buttonsOf) }];
        });
      },
      everSeen: async () => seen,
      files: async () => new Map(),
    },
    local: { env: {}, section: null },
    async found({ apiUrl, apiKey }) {
      client = createClient({ url: apiUrl, token: apiKey });
    },
    async close() {},
  };
}

/** A chat begins with its first message. */
function emptyChat(error: unknown): Pick<Chat, 'turns'> {
  if (error instanceof ApiProblem && error.status === 404) return { turns: [] };
  throw error;
}

function buttonsOf({ kind, options }: Question): readonly string[] {
  return kind === 'choice' ? options.map(({ label }) => label) : [...Object.keys(LABELS), 'Deny'];
}
