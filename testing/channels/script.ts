// The conversation itself, part by part. Each part is played and judged: what a channel says it can do must be seen, and
// where it says that it cannot, that, too, is looked at.
import { type ConversationModel, FACTS, LAST_FACT, PICTURE, PICTURE_NAME, SAYS, STORY } from './model.ts';
import type { Line, Person } from './person.ts';
import { until } from './until.ts';

/** What a channel shows of one part. */
export interface Cell {
  readonly shows: string;
  /** Why it is not a plain yes. */
  readonly why?: string;
}

export interface Part {
  readonly title: string;
  play(stage: Stage): Promise<Cell>;
}

export interface Stage {
  readonly person: Person;
  readonly model: ConversationModel;
  /** What the bot has said in this part. */
  said(): Promise<readonly Line[]>;
  /** Writes, and waits until the bot has said that. */
  says(text: string, answer: string | RegExp): Promise<void>;
  sees(answer: string | RegExp): Promise<void>;
  /** Answers the question once its answers are there to be picked. */
  picks(label: string): Promise<void>;
}

export async function openStage(person: Person, model: ConversationModel): Promise<Stage> {
  model.forget();
  const ofBot = async () => (await person.lines()).filter(({ by }) => by === 'Bot');
  const before = (await ofBot()).length;
  const said = async () => (await ofBot()).slice(before);
  const sees = async (answer: string | RegExp) => {
    const isIt = ({ text }: Line) => (typeof answer === 'string' ? text.includes(answer) : answer.test(text));
    await until(async () => (await said()).some(isIt), `“${answer}” on ${person.channel}`);
  };
  return {
    person,
    model,
    said,
    sees,
    async picks(label) {
      const isOffered = ({ text, buttons = [] }: Line) =>
        person.can.picks === 'yes'
          ? buttons.some((button) => button.includes(label))
          : new RegExp(`^\\d+\\. ${label}`, 'm').test(text);
      await until(
        async () => (await said()).some(isOffered),
        `“${label}” to be offered on ${person.channel}`,
      );
      await person.picks(label);
    },
    async says(text, answer) {
      await person.writes(text);
      await sees(answer);
    },
  };
}

const YES: Cell = { shows: 'yes' };
const MAX_RESTS = 8;

export const PARTS: readonly Part[] = [
  {
    title: 'a text is answered',
    async play({ says }) {
      await says(SAYS.hello, 'What can I do for you?');
      return YES;
    },
  },
  {
    title: 'an answer is seen while it grows',
    async play({ person, model, sees }) {
      const { streams } = person.can;
      const isPartial = (text: string) => text.includes(STORY.begins) && !text.includes(STORY.ends);
      const partial = async () => (await person.everSeen()).some(isPartial);
      await person.writes(SAYS.story);
      await until(() => model.asked('story') > 0, 'the model to be asked for a story');
      if (typeof streams === 'string') await until(partial, `half a story on ${person.channel}`);
      model.finishStory();
      await sees(STORY.ends);
      if (typeof streams === 'string') return { shows: streams };
      if (await partial()) throw new Error('It was seen all the same.');
      return { shows: 'no', why: streams.no };
    },
  },
  {
    title: 'a long answer comes whole',
    async play({ person, said, says }) {
      const { longAnswers } = person.can;
      const isOver = (lines: readonly Line[]) => lines.some(({ text }) => text.includes(LAST_FACT));
      await says(SAYS.facts, new RegExp(`${LAST_FACT}|Send me any message`));
      const first = await said();
      for (let rests = 0; rests < MAX_RESTS && !isOver(await said()); rests++) {
        const before = (await said()).length;
        await person.writes(SAYS.more);
        await until(async () => {
          const rest = (await said()).slice(before);
          return isOver(rest) || rest.some(({ text }) => text.includes('Send me any message'));
        }, `the rest on ${person.channel}`);
      }
      const all = (await said()).map(({ text }) => text).join('\n');
      const told = [...all.matchAll(/^(?:… )?Fact (\d+):/gm)].map(([, number]) => Number(number));
      const expected = Array.from({ length: FACTS }, (_, i) => i + 1);
      if (told.join() !== expected.join())
        throw new Error(`${told.length} of ${FACTS} parts came, or not in order.`);
      if (isOver(first)) {
        return { shows: first.length === 1 ? 'yes' : `yes, in ${first.length} messages` };
      }
      if (longAnswers === 'yes') throw new Error('A rest was left for the next message.');
      const count = first.length === 1 ? '1 message' : `${first.length} messages`;
      return { shows: `${count}, then the rest`, why: longAnswers.no };
    },
  },
  {
    title: 'a picture reaches the agent',
    async play({ person, sees }) {
      const { sendsPictures } = person.can;
      await person.sendsPicture(SAYS.picture, PICTURE);
      if (sendsPictures === 'yes') {
        await sees('A grey picture');
        return YES;
      }
      await sees('I see no picture.');
      return { shows: 'no', why: sendsPictures.no };
    },
  },
  {
    title: 'a picture of the agent reaches the person',
    async play({ person, says, sees }) {
      const { getsFiles } = person.can;
      await says(SAYS.send, 'Here it is.');
      if (getsFiles === 'yes') {
        const got = await until(
          async () => (await person.files()).get(PICTURE_NAME),
          `the picture on ${person.channel}`,
        );
        if (Buffer.compare(got, PICTURE) !== 0) throw new Error('Another file came.');
        return YES;
      }
      await sees(PICTURE_NAME);
      return { shows: 'no', why: getsFiles.no };
    },
  },
  {
    title: 'a question of the agent is answered',
    async play({ person, says, picks, sees }) {
      await says(SAYS.ask, 'Which tea?');
      await picks('Black');
      await sees('So you like Black tea.');
      return { shows: person.can.picks };
    },
  },
  {
    title: 'a command waits for permission, and runs',
    async play({ person, says, picks, sees }) {
      await says(SAYS.folder, 'mkdir tea');
      await picks('Allow once');
      await sees('The folder is made.');
      return { shows: person.can.picks };
    },
  },
  {
    title: '/btw reaches the turn that runs',
    async play({ person, model, says }) {
      await person.writes(SAYS.prices);
      await until(() => model.asked('prices') > 0, 'the agent to work');
      await says(`/btw ${SAYS.only}`, 'A bag of green tea is 4.20.');
      return YES;
    },
  },
  {
    title: '/stop ends the turn, and keeps what was said',
    async play({ person, model, says, sees }) {
      await person.writes(SAYS.count);
      await until(() => model.asked('count') > 1, 'the agent to count');
      await says('/stop', /One, two, three\.[\s\S]*\(stopped\)/);
      // Said at once where the inlet can answer, else behind the reply.
      await sees(/^Stopping\.|^What came before is stopped\./);
      return YES;
    },
  },
  {
    title: '/undo takes the last turn back',
    async play({ says }) {
      await says(SAYS.cat, 'A good name.');
      await says('/undo', SAYS.cat);
      await says(SAYS.whichCat, 'You have not told me.');
      return YES;
    },
  },
  {
    title: '/new begins anew',
    async play({ says }) {
      await says('/new', 'fresh session');
      await says(SAYS.whoAmI, 'I do not know.');
      return YES;
    },
  },
  {
    title: 'something is said before everything is restarted',
    async play({ says }) {
      await says(SAYS.secret, 'I will remember it.');
      return YES;
    },
  },
];

export const AFTER_RESTART: Part = {
  title: 'after the restart it is remembered',
  async play({ says }) {
    await says(SAYS.whichSecret, 'It is tulip.');
    return YES;
  },
};
