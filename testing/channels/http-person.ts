// Ann, who uses a product that talks to the HTTP API with the project's own client: each message is followed as it is
// answered.
import { ApiProblem, type Chat, type Client, createClient, type Question } from '../../src/client/index.ts';
import { PICTURE_NAME } from './model.ts';
import type { Line, Platform } from './person.ts';

const CHAT = 'ann';
const LABELS = { 'Allow once': 'once', 'Allow for this chat': 'chat' } as const;

export function openHttp(): Platform {
  let client: Client | null = null;
  const api = (): Client => {
    if (!client) throw new Error('The system has not been found yet.');
    return client;
  };
  const seen: string[] = [];
  /** What stands on the page in the end, by turn. */
  const shown = new Map<string, string>();

  /** What grows on the page; a break is not the end of the turn. */
  async function follow(turnId: string): Promise<void> {
    let text = '';
    try {
      for await (const event of api().follow(turnId)) {
        if (event.type === 'text') text += event.text;
        if (event.type === 'final') {
          text = event.reply.text;
          shown.set(turnId, text);
        }
        if (text !== seen.at(-1)) seen.push(text);
      }
    } catch (error) {
      seen.push(`(no more was heard: ${error instanceof Error ? error.message : String(error)})`);
    }
  }
  /** As she wrote it: a turn's own text has no command in it. */
  const wrote = new Map<string, string>();
  const say = async (text: string) => {
    const turnId = await api().send(CHAT, text).accepted;
    wrote.set(turnId, text);
    void follow(turnId);
  };
  const turns = async () => (await api().chat(CHAT, { limit: 100 }).catch(emptyChat)).turns;

  return {
    person: {
      channel: 'HTTP',
      can: {
        streams: 'yes',
        picks: 'yes',
        sendsPictures: 'yes',
        getsFiles: 'yes',
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
      async sendsPicture(words, bytes) {
        const data = new Blob([Buffer.from(bytes)], { type: 'image/png' });
        const sent = api().send(CHAT, words, { files: [{ name: PICTURE_NAME, data }] });
        void follow(await sent.accepted);
      },
      async lines() {
        return (await turns()).flatMap(({ turn_id: id, text, files = [], reply }): Line[] => {
          const ann: Line = { by: 'Ann', text: wrote.get(id) ?? text, ...fileOf(files) };
          if (!reply || reply.code === 'gathered') return [ann];
          const buttons = (reply.asked ?? []).flatMap(buttonsOf);
          return [
            ann,
            { by: 'Bot', text: shown.get(id) ?? reply.text, buttons, ...fileOf(reply.files ?? []) },
          ];
        });
      },
      everSeen: async () => seen,
      async files() {
        const got = new Map<string, Uint8Array>();
        for (const file of (await turns()).flatMap(({ reply }) => reply?.files ?? [])) {
          got.set(file.name, new Uint8Array(await (await api().download(file)).arrayBuffer()));
        }
        return got;
      },
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

/** Of its first one: the script sends one at a time. */
function fileOf([first]: readonly { readonly name: string }[]): Pick<Line, 'file'> {
  return first ? { file: first.name } : {};
}

function buttonsOf({ kind, options }: Question): readonly string[] {
  return kind === 'choice' ? options.map(({ label }) => label) : [...Object.keys(LABELS), 'Deny'];
}
