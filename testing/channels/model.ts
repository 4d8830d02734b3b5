// The model of the scripted conversation. It answers by what the conversation holds, so an answer shows that files, tools,
// people's decisions and memory have come through; and it waits where a person is to see something before its end.
import type { ModelMessage, ModelRequest } from '../../src/agent/model-messages.ts';
import type { ModelReply } from '../../src/agent/model-reply.ts';
import type { Responder } from '../../src/agent/model-server.ts';
import { png } from '../pictures.ts';

export const PICTURE = png(40, 30);
export const PICTURE_NAME = 'tea.png';

export const STORY = { begins: 'Once upon a time', ends: 'That is all.' };
const STORY_TEXT = `${STORY.begins} a kettle sang for everybody in the house, night after night, and nobody ever went to bed thirsty. ${STORY.ends}`;

export const FACTS = 320;
export const LAST_FACT = 'That is all about tea.';
const ALL_FACTS = [
  ...Array.from(
    { length: FACTS },
    (_, i) => `Fact ${i + 1}: tea number ${i + 1} is drunk in many a house, and praised there.`,
  ),
  LAST_FACT,
].join('\n\n');

export const SAYS = {
  hello: 'Hello, I am Ann.',
  story: 'Tell me a story.',
  facts: 'Tell me all about tea.',
  more: 'And then?',
  picture: 'What is in this picture?',
  send: 'Send me a picture.',
  ask: 'Ask me which tea I like.',
  folder: 'Make a folder for tea.',
  prices: 'Look up prices of tea.',
  only: 'Only green tea, please.',
  count: 'Count as far as you can.',
  cat: 'My cat is called Tom.',
  whichCat: 'What is my cat called?',
  whoAmI: 'What is my name?',
  secret: 'The password is tulip.',
  whichSecret: 'What is the password?',
} as const;

type Word = keyof typeof SAYS;

export interface ConversationModel {
  readonly respond: Responder;
  /** How often the model was asked on behalf of the last message of that name, since `forget`. */
  asked(word: Word): number;
  /** Begins to count anew; a story waits again. */
  forget(): void;
  /** Lets the story go on to its end. */
  finishStory(): void;
}

export function createConversationModel(): ConversationModel {
  const asked = new Map<Word, number>();
  let story = Promise.withResolvers<void>();

  return {
    respond(request) {
      const said = lastSaid(request.messages);
      if (isPictureShown(request)) return text('A grey picture, 40 by 30.');
      if (said === null) return text('I do not know what to say to that.');
      asked.set(said.word, (asked.get(said.word) ?? 0) + 1);
      const since = request.messages.slice(said.at);
      const results = since.flatMap(({ toolResults }) => toolResults.map((result) => result.text));
      const all = JSON.stringify(request.raw);
      return answerTo(said.word, results, all, story.promise);
    },
    asked: (word) => asked.get(word) ?? 0,
    forget() {
      asked.clear();
      story.resolve();
      story = Promise.withResolvers<void>();
    },
    finishStory: () => story.resolve(),
  };
}

function answerTo(
  word: Word,
  results: readonly string[],
  all: string,
  storyEnds: Promise<void>,
): ReturnType<Responder> {
  const [first] = results;
  switch (word) {
    case 'hello':
      return text('Hello Ann. What can I do for you?');
    case 'story':
      return { ...text(STORY_TEXT), lastPieceAfter: storyEnds };
    case 'facts':
      return text(ALL_FACTS);
    case 'more':
      return text('There is nothing more to tell.');
    case 'picture':
      return text('I see no picture.');
    case 'send':
      if (results.length === 0) {
        const command = `printf %s ${PICTURE.toString('base64')} | base64 -d > ${PICTURE_NAME}`;
        return call('Bash', { command, description: 'Draws' });
      }
      if (results.length === 1) {
        return call('mcp__this_chat__send_file', { path: PICTURE_NAME, caption: 'A cup of tea' });
      }
      return text('Here it is.');
    case 'ask': {
      if (first !== undefined) return text(`So you like ${/Black|Green/.exec(first)?.[0] ?? 'neither'} tea.`);
      const options = ['Green', 'Black'].map((label) => ({ label, description: `${label} tea` }));
      const question = { question: 'Which tea?', header: 'Tea', options, multiSelect: false };
      return call('AskUserQuestion', { questions: [question] });
    }
    case 'folder':
      if (first !== undefined) return text(`The folder is ${first.trim()}.`);
      return call('Bash', { command: 'mkdir tea && echo made', description: 'Makes a folder' });
    case 'prices':
    case 'only':
      if (all.includes(SAYS.only)) return text('A bag of green tea is 4.20.');
      return call('Bash', { command: 'sleep 1; date +%s%N', description: 'Looks' });
    case 'count':
      // Once its tool has run, everything before it has been heard.
      if (results.length > 0) return { fault: 'hang' };
      return {
        blocks: [
          { type: 'text', text: 'One, two, three.' },
          { type: 'tool_use', name: 'Bash', input: { command: 'true', description: 'Breathes' } },
        ],
      };
    case 'cat':
      return text('A good name.');
    case 'whichCat':
      return text(all.includes(SAYS.cat) ? 'Tom.' : 'You have not told me.');
    case 'whoAmI':
      return text(all.includes(SAYS.hello) ? 'Ann.' : 'I do not know.');
    case 'secret':
      return text('I will remember it.');
    case 'whichSecret':
      return text(all.includes(SAYS.secret) ? 'It is tulip.' : 'You have not told me.');
  }
}

/** The last message of the script, wherever the CLI has put notes of its own behind it. */
function lastSaid(messages: readonly ModelMessage[]): { readonly word: Word; readonly at: number } | null {
  for (let at = messages.length - 1; at >= 0; at--) {
    const message = messages[at];
    if (message?.role !== 'user') continue;
    const found = Object.entries(SAYS).find(([, words]) => message.text.includes(words));
    if (found) return { word: found[0] as Word, at };
  }
  return null;
}

/** The very picture, since the model last spoke: a CLI that has just started writes a note of its own behind the message. */
function isPictureShown({ raw }: ModelRequest): boolean {
  const { messages } = raw as { readonly messages: readonly { readonly role: string }[] };
  const since = messages.slice(messages.findLastIndex(({ role }) => role === 'assistant') + 1);
  return JSON.stringify(since).includes(PICTURE.toString('base64'));
}

function text(words: string): ModelReply {
  return { blocks: [{ type: 'text', text: words }] };
}

function call(name: string, input: Readonly<Record<string, unknown>>): ModelReply {
  return { blocks: [{ type: 'tool_use', name, input }] };
}
