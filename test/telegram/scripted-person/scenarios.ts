// What people do with a bot, and what the chat looks like in the end, message by message. Under every wiring.
import type { Person } from './person.ts';
import { type Place, STRANGER } from './places.ts';

export interface Scenario {
  readonly title: string;
  readonly place?: Place;
  play(person: Person): Promise<void>;
  /** Every message that is to be seen in the end, oldest first. */
  readonly ends: readonly string[];
}

export const SCENARIOS: readonly Scenario[] = [
  {
    title: 'A first message is answered',
    play: async (ann) => void (await ann.says('hello')),
    ends: ['Ann: hello', 'Bot: heard hello'],
  },
  {
    title: 'The agent remembers what was said',
    async play(ann) {
      await ann.says('my name is Ann');
      await ann.says('what do you remember?');
    },
    ends: [
      'Ann: my name is Ann',
      'Bot: heard my name is Ann',
      'Ann: what do you remember?',
      'Bot: Before: my name is Ann',
    ],
  },
  {
    title: 'Three messages at once are answered in order',
    async play(ann) {
      for (const text of ['one', 'two', 'three']) ann.writes(text);
      await ann.settled();
      await ann.says('what do you remember?');
    },
    ends: [
      'Ann: one',
      'Ann: two',
      'Ann: three',
      'Bot: heard one',
      'Bot: heard two',
      'Bot: heard three',
      'Ann: what do you remember?',
      'Bot: Before: one, two, three',
    ],
  },
  {
    title: 'The same update comes three times',
    async play(ann) {
      const { updateId } = ann.writes('once');
      await ann.settled();
      await ann.bot.redeliver(updateId);
      await ann.bot.redeliver(updateId);
      await ann.settled();
    },
    ends: ['Ann: once', 'Bot: heard once'],
  },
  {
    title: 'Formatted text',
    play: async (ann) => void (await ann.says('formatted')),
    ends: ['Ann: formatted', 'Bot: **Bold**, `code` and a [link](https://example.test)'],
  },
  {
    title: 'A picture in an answer is a link',
    play: async (ann) => void (await ann.says('picture')),
    ends: ['Ann: picture', 'Bot: Look: \\![a map](https://example.test/map.png)'],
  },
  {
    title: 'An answer without words',
    play: async (ann) => void (await ann.says('empty')),
    ends: ['Ann: empty', 'Bot: _(no answer)_'],
  },
  {
    title: 'A long answer is several messages',
    play: async (ann) => void (await ann.says('long')),
    ends: [
      'Ann: long',
      'Bot: Paragraph 0: word word word word word word word word word word word wo …  word word word word word word word word (4015 characters)',
      'Bot: Paragraph 53: word word word word word word word word word word word w …  word word word word word word word word (4031 characters)',
      'Bot: Paragraph 106: word word word word word word word word word word word  …  word word word word word word word word (1075 characters)',
    ],
  },
  {
    title: 'Long code is closed and opened again',
    play: async (ann) => void (await ann.says('code')),
    ends: [
      'Ann: code',
      'Bot: Here it is: ⏎  ⏎ ```ts ⏎ const value0 = 0; ⏎ const value1 = 1; ⏎ const … 190 = 190; ⏎ const value191 = 191; ⏎ ``` (4026 characters)',
      'Bot: ```ts ⏎ const value192 = 192; ⏎ const value193 = 193; ⏎ const value194 … 298 = 298; ⏎ const value299 = 299; ⏎ ``` (2385 characters)',
    ],
  },
  {
    title: 'A long table has its header in each part',
    play: async (ann) => void (await ann.says('table')),
    ends: [
      'Ann: table',
      'Bot: | name | value | ⏎ |---|---| ⏎ | row 0 | xxxxxxxxxxxxxxxxxxxx | ⏎ | ro … x | ⏎ | row 116 | xxxxxxxxxxxxxxxxxxxx | (4011 characters)',
      'Bot: | name | value | ⏎ |---|---| ⏎ | row 117 | xxxxxxxxxxxxxxxxxxxx | ⏎ |  … x | ⏎ | row 230 | xxxxxxxxxxxxxxxxxxxx | (4016 characters)',
      'Bot: | name | value | ⏎ |---|---| ⏎ | row 231 | xxxxxxxxxxxxxxxxxxxx | ⏎ |  … x | ⏎ | row 299 | xxxxxxxxxxxxxxxxxxxx | (2441 characters)',
    ],
  },
  {
    title: 'A long list goes on under its numbers',
    play: async (ann) => void (await ann.says('list')),
    ends: [
      'Ann: list',
      'Bot: 1. step step step step step step step step step  ⏎ 2. step step step s …  step step step step step step step step (3989 characters)',
      'Bot: 81. step step step step step step step step step  ⏎ 82. step step step …  step step step step step step step step (2019 characters)',
    ],
  },
  {
    title: 'A pasted text that the app cut in two is one message',
    async play(ann) {
      ann.writes('a'.repeat(4_000));
      ann.writes('b'.repeat(100));
      await ann.settled();
    },
    ends: [
      'Ann: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa … aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa (4000 characters)',
      'Ann: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
      'Bot: 4101 characters, ends with "bbbbbbbb"',
    ],
  },
  {
    title: 'A draft while the agent works, and no message before the answer',
    async play(ann) {
      ann.writes('work');
      await ann.sees('⚙ `Bash: make`');
      if (ann.chat().botTexts.length > 0) throw new Error('There is a message before the answer.');
      ann.lets();
      await ann.settled();
    },
    ends: ['Ann: work', 'Bot: Half of it. All of it.'],
  },
  {
    title: 'In a group the message that shows progress becomes the answer',
    place: 'group',
    async play(ann) {
      ann.writes('/new work', { in: 'group' });
      await ann.sees('⚙ `Bash: make`', 'group');
      ann.lets();
      await ann.settled();
    },
    ends: [
      'Ann: /new work',
      'Bot: Started a fresh session. I no longer see what we said before.',
      'Bot: Half of it. All of it.',
    ],
  },
  {
    title: 'Telegram asks to wait, again and again: the answer lands once',
    async play(ann) {
      ann.bot.faults.add({ kind: 'rate-limit', retryAfterSec: 0.05, chatId: ann.ann, times: 6 });
      await ann.says('hello');
    },
    ends: ['Ann: hello', 'Bot: heard hello'],
  },
  {
    title: 'Answers of Telegram are lost: the reply stands once',
    async play(ann) {
      ann.bot.faults.add({ kind: 'cut-after', method: 'editMessageText', chatId: ann.ann, times: 2 });
      await ann.says('hello');
    },
    ends: ['Ann: hello', 'Bot: heard hello'],
  },
  {
    title: 'Telegram refuses the markup: the letters arrive',
    async play(ann) {
      const description = "Bad Request: can't parse rich message";
      ann.bot.faults.add({
        kind: 'error',
        status: 400,
        description,
        method: 'editMessageText',
        chatId: ann.ann,
      });
      await ann.says('formatted');
    },
    ends: ['Ann: formatted', 'Bot: **Bold**, `code` and a [link](https://example.test)'],
  },
  {
    title: 'Telegram refuses the letters, too: a line with a support id',
    async play(ann) {
      const description = 'Bad Request: no';
      ann.bot.faults.add({
        kind: 'error',
        status: 400,
        description,
        method: 'editMessageText',
        chatId: ann.ann,
        times: 2,
      });
      await ann.says('formatted');
    },
    ends: [
      'Ann: formatted',
      'Bot: My answer is ready, but Telegram refuses to show this part of it, with … e to put it differently. (Support id: …) (189 characters)',
    ],
  },
  {
    title: 'The agent fails: an honest line',
    play: async (ann) => void (await ann.says('fail')),
    ends: ['Ann: fail', 'Bot: The agent ended with an error. ⏎  ⏎ (Support id: …)'],
  },
  {
    title: "The agent's process is killed: the turn is run again",
    async play(ann) {
      await ann.says('crash');
    },
    ends: ['Ann: crash', 'Bot: heard crash'],
  },
  {
    title: 'The model is away: the message says so, and becomes the answer',
    async play(ann) {
      ann.writes('outage');
      await ann.sees('Waiting for the model');
      await ann.settled();
    },
    ends: ['Ann: outage', 'Bot: heard outage'],
  },
  {
    title: '/stop ends the turn and keeps what was said',
    async play(ann) {
      ann.writes('work');
      await ann.sees('Half of it.');
      await ann.says('/stop');
    },
    ends: ['Ann: work', 'Ann: /stop', 'Bot: Stopping.', 'Bot: Half of it. ⏎  ⏎ _(stopped)_'],
  },
  {
    title: '/stop when nothing runs',
    play: async (ann) => void (await ann.says('/stop')),
    ends: ['Ann: /stop', 'Bot: Nothing is running.'],
  },
  {
    title: '/stop with a text: the text comes next',
    async play(ann) {
      ann.writes('work');
      await ann.sees('Half of it.');
      await ann.says('/stop hello');
    },
    ends: [
      'Ann: work',
      'Ann: /stop hello',
      'Bot: Stopping.',
      'Bot: Half of it. ⏎  ⏎ _(stopped)_',
      'Bot: heard hello',
    ],
  },
  {
    title: 'The stop button of the draft',
    async play(ann) {
      ann.writes('work');
      await ann.sees('Half of it.');
      ann.bot.pressStop(ann.ann);
      await ann.settled();
    },
    ends: ['Ann: work', 'Bot: Half of it. ⏎  ⏎ _(stopped)_'],
  },
  {
    title: '/btw tells the running turn',
    async play(ann) {
      ann.writes('work');
      await ann.sees('Half of it.');
      await ann.says('/btw use tabs');
    },
    ends: ['Ann: work', 'Ann: /btw use tabs', 'Bot: Half of it. And I was told: use tabs'],
  },
  {
    title: '/btw when nothing runs is a message',
    play: async (ann) => void (await ann.says('/btw hello')),
    ends: ['Ann: /btw hello', 'Bot: heard hello'],
  },
  {
    title: 'A chat in which messages steer',
    place: 'steer',
    async play(ann) {
      ann.writes('work', { in: 'steer' });
      await ann.sees('Half of it.', 'steer');
      await ann.says('use tabs', { in: 'steer' });
    },
    ends: ['Ann: work', 'Ann: use tabs', 'Bot: Half of it. And I was told: use tabs'],
  },
  {
    title: 'A chat in which messages interrupt',
    place: 'interrupt',
    async play(ann) {
      ann.writes('work', { in: 'interrupt' });
      await ann.sees('Half of it.', 'interrupt');
      await ann.says('what do you remember?', { in: 'interrupt' });
    },
    ends: [
      'Ann: work',
      'Ann: what do you remember?',
      'Bot: Half of it. ⏎  ⏎ _(stopped)_',
      'Bot: Before: work',
    ],
  },
  {
    title: '/new begins anew',
    async play(ann) {
      await ann.says('hello');
      await ann.says('/new');
      await ann.says('what do you remember?');
    },
    ends: [
      'Ann: hello',
      'Bot: heard hello',
      'Ann: /new',
      'Bot: Started a fresh session. I no longer see what we said before.',
      'Ann: what do you remember?',
      'Bot: Before: nothing',
    ],
  },
  {
    title: '/new with a text',
    async play(ann) {
      await ann.says('hello');
      await ann.says('/new what do you remember?');
    },
    ends: [
      'Ann: hello',
      'Bot: heard hello',
      'Ann: /new what do you remember?',
      'Bot: Started a fresh session. I no longer see what we said before.',
      'Bot: Before: nothing',
    ],
  },
  {
    title: '/undo when there is nothing to undo',
    play: async (ann) => void (await ann.says('/undo')),
    ends: ['Ann: /undo', 'Bot: There is nothing that I can undo.'],
  },
  {
    title: '/undo new goes back to the session before',
    async play(ann) {
      await ann.says('hello');
      await ann.says('/new');
      await ann.says('/undo new');
      await ann.says('what do you remember?');
    },
    ends: [
      'Ann: hello',
      'Bot: heard hello',
      'Ann: /new',
      'Bot: Started a fresh session. I no longer see what we said before.',
      'Ann: /undo new',
      'Bot: The new session is undone. The conversation and the files are as they were before that. `/redo` leads to the later one again, until your next message.',
      'Ann: what do you remember?',
      'Bot: Before: hello',
    ],
  },
  {
    title: '/status',
    async play(ann) {
      await ann.says('hello');
      await ann.says('/status');
    },
    ends: [
      'Ann: hello',
      'Bot: heard hello',
      'Ann: /status',
      'Bot: Session `…`, version 1; 0 turns can be undone.   ⏎ Nothing waits behind this.   ⏎ Kept until a day, and longer with every message.',
    ],
  },
  {
    title: '/cost',
    play: async (ann) => void (await ann.says('/cost')),
    ends: [
      'Ann: /cost',
      'Bot: This chat, by the days and months of UTC.   ⏎ Today: 0 tokens, about $0.0000   ⏎ This month: 0 tokens, about $0.0000',
    ],
  },
  {
    title: '/permissions when nothing is allowed',
    play: async (ann) => void (await ann.says('/permissions')),
    ends: ['Ann: /permissions', 'Bot: Nothing is allowed for this chat beyond what always is.'],
  },
  {
    title: '/forget asks first',
    async play(ann) {
      await ann.says('/forget');
      await ann.says('/forget yes');
    },
    ends: [
      'Ann: /forget',
      'Bot: This erases what was said here, every file and every session of this chat, for good. Write `/forget yes` to do it.',
      'Ann: /forget yes',
      'Bot: Forgotten: what was said here, every file and every session of this chat. The next message begins anew.',
    ],
  },
  {
    title: 'A command nobody knows goes to the agent',
    play: async (ann) => void (await ann.says('/weather in Bern')),
    ends: ['Ann: /weather in Bern', 'Bot: heard /weather in Bern'],
  },
  {
    title: 'A question with buttons: allow once',
    async play(ann) {
      await ann.says('ask');
      await ann.presses('Allow once');
      await ann.says('ask');
    },
    ends: [
      'Ann: ask',
      'Bot: I want to do something. ⏎  ⏎ **May I?** ` Bash: npm publish ` ⏎  ⏎ ```sh ⏎ npm publish ⏎ ``` [✓ Allowed once by Ann]',
      'Bot: Bash: npm publish: allow',
      'Ann: ask',
      'Bot: I want to do something. ⏎  ⏎ **May I?** ` Bash: npm publish ` ⏎  ⏎ ```sh ⏎ npm publish ⏎ ``` [Allow once] [Allow for this chat] [Deny] [Deny and say why]',
    ],
  },
  {
    title: 'Allowed for the chat, listed, and taken back',
    async play(ann) {
      await ann.says('ask');
      await ann.presses('Allow for this chat');
      await ann.says('ask');
      await ann.says('/permissions');
      await ann.says('/permissions withdraw 2');
      await ann.says('/permissions withdraw 1');
      await ann.says('ask');
    },
    ends: [
      'Ann: ask',
      'Bot: I want to do something. ⏎  ⏎ **May I?** ` Bash: npm publish ` ⏎  ⏎ ```sh ⏎ npm publish ⏎ ``` [✓ Allowed for this chat by Ann]',
      'Bot: Bash: npm publish: allow',
      'Ann: ask',
      'Bot: Done without asking.',
      'Ann: /permissions',
      'Bot: Allowed for this chat: ⏎ 1. Bash: npm publish (Ann, a day) ⏎ Write `/permissions withdraw` with a number, or `all`, to be asked again.',
      'Ann: /permissions withdraw 2',
      'Bot: There is no such permission. Allowed for this chat: ⏎ 1. Bash: npm pub … h a number, or `all`, to be asked again. (173 characters)',
      'Ann: /permissions withdraw 1',
      'Bot: From now on I ask again: Bash: npm publish',
      'Ann: ask',
      'Bot: I want to do something. ⏎  ⏎ **May I?** ` Bash: npm publish ` ⏎  ⏎ ```sh ⏎ npm publish ⏎ ``` [Allow once] [Allow for this chat] [Deny] [Deny and say why]',
    ],
  },
  {
    title: 'Denied, with a reason',
    async play(ann) {
      await ann.says('ask');
      await ann.presses('say why');
      await ann.says('it is Friday');
    },
    ends: [
      'Ann: ask',
      'Bot: I want to do something. ⏎  ⏎ **May I?** ` Bash: npm publish ` ⏎  ⏎ ```sh ⏎ npm publish ⏎ ``` [Allow once] [Allow for this chat] [Deny] [Deny and say why]',
      'Bot: Why not? Your next message is the reason.',
      'Ann: it is Friday',
      'Bot: Bash: npm publish: deny (The person did not allow this, and says why: it is Friday)',
    ],
  },
  {
    title: 'A message instead of a press denies and goes on',
    async play(ann) {
      await ann.says('ask');
      await ann.says('hello');
    },
    ends: [
      'Ann: ask',
      'Bot: I want to do something. ⏎  ⏎ **May I?** ` Bash: npm publish ` ⏎  ⏎ ```sh ⏎ npm publish ⏎ ``` [Allow once] [Allow for this chat] [Deny] [Deny and say why]',
      'Ann: hello',
      'Bot: heard hello',
    ],
  },
  {
    title: 'Two questions at once',
    async play(ann) {
      await ann.says('ask two');
      await ann.presses('1. Allow once');
      await ann.presses('2. Deny');
    },
    ends: [
      'Ann: ask two',
      'Bot: I want to do something. ⏎  ⏎ **1.** **May I?** ` Bash: npm publish ` ⏎ … h: rm a ` ⏎  ⏎ ```sh ⏎ npm publish ⏎ ``` (144 characters) [1. ✓ Allowed once by Ann] [2. ✓ Denied by Ann]',
      'Bot: Bash: npm publish: allow ⏎ Bash: rm a: deny (The person did not allow this.)',
    ],
  },
  {
    title: 'A question of the agent, answered by a button',
    async play(ann) {
      await ann.says('color');
      await ann.presses('Blue');
    },
    ends: [
      'Ann: color',
      'Bot: I want to do something. ⏎  ⏎ **Which color?** [✓ Answered by Ann: Blue]',
      'Bot: Question: allow Blue',
    ],
  },
  {
    title: 'A question of the agent, answered in words',
    async play(ann) {
      await ann.says('color');
      await ann.says('green, please');
    },
    ends: [
      'Ann: color',
      'Bot: I want to do something. ⏎  ⏎ **Which color?** [Red] [Blue]',
      'Ann: green, please',
      'Bot: Question: allow green, please',
    ],
  },
  {
    title: 'Only the person who asked may press',
    place: 'all',
    async play(ann) {
      await ann.says('ask', { in: 'all' });
      await ann.presses('Allow once', { in: 'all', from: ann.ben });
      await ann.presses('Allow once', { in: 'all' });
    },
    ends: [
      'Ann: ask',
      'Bot: I want to do something. ⏎  ⏎ **May I?** ` Bash: npm publish ` ⏎  ⏎ ```sh ⏎ npm publish ⏎ ``` [✓ Allowed once by Ann]',
      'Bot: Only the person whose message led to this question may answer it. It still waits.',
      'Bot: Bash: npm publish: allow',
    ],
  },
  {
    title: 'A group: a message that is not for the bot',
    place: 'group',
    play: async (ann) => void (await ann.says('lunch?', { in: 'group' })),
    ends: ['Ann: lunch?'],
  },
  {
    title: 'A group: mentioned, and answered to',
    place: 'group',
    async play(ann) {
      await ann.says('@hybrid_test_bot hello', { in: 'group' });
      const reply_to_message = {
        message_id: 1,
        from: { id: ann.bot.id, is_bot: true, first_name: 'Bot' },
        text: 'heard',
      };
      await ann.says('and again', { in: 'group', from: ann.ben, fields: { reply_to_message } });
      await ann.says('not for you', { in: 'group', from: ann.ben });
    },
    ends: [
      'Ann: @hybrid_test_bot hello',
      'Bot: heard hello',
      'Ben: and again',
      'Bot: heard and again',
      'Ben: not for you',
    ],
  },
  {
    title: 'A group in which everything is heard',
    place: 'all',
    async play(ann) {
      await ann.says('hello', { in: 'all' });
      await ann.says('hello, too', { in: 'all', from: ann.ben });
    },
    ends: ['Ann: hello', 'Bot: heard hello', 'Ben: hello, too', 'Bot: heard hello, too'],
  },
  {
    title: 'A group in which commands are heard',
    place: 'commands',
    async play(ann) {
      await ann.says('@hybrid_test_bot hello', { in: 'commands' });
      await ann.says('/permissions@hybrid_test_bot', { in: 'commands' });
      await ann.says('/permissions@other_bot', { in: 'commands' });
    },
    ends: [
      'Ann: @hybrid_test_bot hello',
      'Ann: /permissions@hybrid_test_bot',
      'Bot: Nothing is allowed for this chat beyond what always is.',
      'Ann: /permissions@other_bot',
    ],
  },
  {
    title: 'A group that nobody allowed: the bot leaves',
    place: 'foreign',
    async play(ann) {
      ann.bot.member(ann.chat('foreign').id, STRANGER, 'member');
      await ann.settled();
      await ann.says('@hybrid_test_bot hello', { in: 'foreign', from: STRANGER });
    },
    ends: ['Stranger: @hybrid_test_bot hello'],
  },
  {
    title: 'Each topic is a conversation of its own',
    place: 'all',
    async play(ann) {
      await ann.says('about cats', { in: 'all', thread: 7 });
      await ann.says('about dogs', { in: 'all', thread: 8 });
      await ann.says('what do you remember?', { in: 'all', thread: 7 });
    },
    ends: [
      '(topic 1) Ann: about cats',
      '(topic 1) Bot: heard about cats',
      '(topic 2) Ann: about dogs',
      '(topic 2) Bot: heard about dogs',
      '(topic 1) Ann: what do you remember?',
      '(topic 1) Bot: Before: about cats',
    ],
  },
  {
    title: 'Topics of a private chat',
    async play(ann) {
      await ann.says('about cats', { thread: 7 });
      await ann.says('what do you remember?', { thread: 8 });
    },
    ends: [
      '(topic 1) Ann: about cats',
      '(topic 1) Bot: heard about cats',
      '(topic 2) Ann: what do you remember?',
      '(topic 2) Bot: Before: nothing',
    ],
  },
  {
    title: '/fork opens a topic',
    async play(ann) {
      ann.chat().haveTopics();
      await ann.says('hello');
      await ann.says('/fork Another way');
      const [topic = 0] = ann.chat().topics.keys();
      await ann.says('what now?', { thread: topic });
    },
    ends: [
      'Ann: hello',
      'Bot: heard hello',
      'Ann: /fork Another way',
      'Bot: Forked to “Another way”: it begins with all that was said and made here. From now on each goes its own way.',
      '(topic 1) Ann: what now?',
      '(topic 1) Bot: heard what now?',
    ],
  },
  {
    title: '/fork where there are no topics',
    async play(ann) {
      await ann.says('hello');
      await ann.says('/fork');
    },
    ends: [
      'Ann: hello',
      'Bot: heard hello',
      'Ann: /fork',
      'Bot: I cannot open another conversation from here.',
    ],
  },
  {
    title: '/newchat opens a topic with its first message',
    async play(ann) {
      ann.chat().haveTopics();
      await ann.says('hello');
      await ann.says('/newchat what do you remember?');
    },
    ends: [
      'Ann: hello',
      'Bot: heard hello',
      'Ann: /newchat what do you remember?',
      'Bot: Opened “what do you remember?”. It begins with your message.',
      '(topic 1) Bot: Before: nothing',
    ],
  },
  {
    title: 'A group becomes a supergroup: the conversation goes on',
    place: 'supergroup',
    async play(ann) {
      await ann.says('@hybrid_test_bot my name is Ann', { in: 'group' });
      ann.bot.migrate(ann.chat('group').id, ann.chat('supergroup').id);
      await ann.settled();
      await ann.says('@hybrid_test_bot what do you remember?', { in: 'supergroup' });
    },
    ends: ['Ann: @hybrid_test_bot what do you remember?', 'Bot: Before: my name is Ann'],
  },
  {
    title: 'What is answered and forwarded is seen by the agent',
    async play(ann) {
      const fields = {
        reply_to_message: { message_id: 1, from: { id: 5, first_name: 'Carl' }, text: 'the plan' },
        forward_origin: { type: 'hidden_user', sender_user_name: 'Dora', date: 1 },
      };
      await ann.says('what do you see?', { fields });
    },
    ends: [
      'Ann: what do you see?',
      'Bot: ```json ⏎ {"answers":{"from":"Carl","text":"the plan"},"forwardedFrom":"Dora"} ⏎ ```',
    ],
  },
  {
    title: 'A message changed before its turn begins is answered as it is now',
    async play(ann) {
      ann.writes('work');
      await ann.sees('Half of it.');
      const { messageId } = ann.writes('helo');
      ann.waitsASecond();
      ann.bot.correct(ann.ann, messageId, 'hello');
      await ann.taken();
      ann.lets();
      await ann.settled();
      await ann.says('what do you remember?');
    },
    ends: [
      'Ann: work',
      'Ann: helo',
      'Bot: Half of it. All of it.',
      'Bot: heard hello',
      'Ann: what do you remember?',
      'Bot: Before: work, hello',
    ],
  },
  {
    title: 'A message changed after its turn has begun changes nothing',
    async play(ann) {
      const { messageId } = ann.writes('work');
      await ann.sees('Half of it.');
      ann.bot.correct(ann.ann, messageId, 'hello');
      await ann.taken();
      ann.lets();
      await ann.settled();
    },
    ends: ['Ann: work', 'Bot: Half of it. All of it.'],
  },
  {
    title: 'A stranger gets no answer',
    async play(ann) {
      ann.bot.say(ann.ann, 'let me in', { from: STRANGER });
      await ann.settled();
    },
    ends: ['Stranger: let me in'],
  },
  {
    title: 'Somebody deletes the message that the answer stood in',
    place: 'group',
    async play(ann) {
      ann.writes('@hybrid_test_bot work', { in: 'group' });
      await ann.sees('Half of it.', 'group');
      const placeholder = ann.chat('group').messages.at(-1);
      ann.chat('group').delete(placeholder?.id ?? 0);
      ann.lets();
      await ann.settled();
    },
    ends: ['Ann: @hybrid_test_bot work', 'Bot: Half of it. All of it.'],
  },
  {
    title: 'The person blocks the bot, and comes back',
    async play(ann) {
      ann.chat().block();
      await ann.says('hello');
      ann.chat().unblock();
      await ann.says('what do you remember?');
    },
    ends: ['Ann: hello', 'Ann: what do you remember?', 'Bot: Before: hello'],
  },
  {
    title: '/mode steer: what is written next is told to the running turn',
    async play(ann) {
      await ann.says('/mode steer');
      ann.writes('work');
      await ann.sees('Half of it.');
      ann.writes('use tabs');
      await ann.settled();
      await ann.says('/mode');
    },
    ends: [
      'Ann: /mode steer',
      'Bot: What you write while I work is told to the turn that runs, at its next step.',
      'Ann: work',
      'Ann: use tabs',
      'Bot: Half of it. And I was told: use tabs',
      'Ann: /mode',
      'Bot: What you write while I work is told to the turn that runs, at its next step. `/mode queue`, `steer` or `interrupt` changes it for this chat.',
    ],
  },
  {
    title: '/mode queue in a chat in which messages interrupt',
    place: 'interrupt',
    async play(ann) {
      await ann.says('/mode queue', { in: 'interrupt' });
      ann.writes('work', { in: 'interrupt' });
      await ann.sees('Half of it.', 'interrupt');
      ann.writes('and this', { in: 'interrupt' });
      await ann.taken();
      ann.lets();
      await ann.settled();
    },
    ends: [
      'Ann: /mode queue',
      'Bot: What you write while I work waits for its turn.',
      'Ann: work',
      'Ann: and this',
      'Bot: Half of it. All of it.',
      'Bot: heard and this',
    ],
  },
  {
    title: '/model shows and changes the model of the chat',
    async play(ann) {
      await ann.says('/model');
      await ann.says('/model claude-opus-5');
      await ann.says('which model?');
      await ann.says('/model something-else');
      await ann.says('/model default');
      await ann.says('which model?');
    },
    ends: [
      'Ann: /model',
      'Bot: This chat uses `claude-sonnet-5`. To choose from: `claude-opus-5`. Write `/model` with a name, or `/model default`.',
      'Ann: /model claude-opus-5',
      'Bot: From now on this chat uses `claude-opus-5`. What was said before stays.',
      'Ann: which model?',
      'Bot: claude-opus-5',
      'Ann: /model something-else',
      'Bot: There is no model `something-else` to choose here. To choose from: `claude-opus-5`. Write `/model` with a name, or `/model default`.',
      'Ann: /model default',
      'Bot: From now on this chat uses `claude-sonnet-5`.',
      'Ann: which model?',
      'Bot: the usual one',
    ],
  },
  {
    title: 'A command of the agent folder',
    play: async (ann) => void (await ann.says('/hours')),
    ends: ['Ann: /hours', 'Bot: We are open from 9 to 5.'],
  },
  {
    title: 'A command of the agent folder in a group in which commands are heard',
    place: 'commands',
    async play(ann) {
      await ann.says('/hours', { in: 'commands' });
      await ann.says('/weather', { in: 'commands' });
    },
    ends: ['Ann: /hours', 'Bot: We are open from 9 to 5.', 'Ann: /weather'],
  },
  {
    title: 'A reaction to an answer is shown to the agent with the next message',
    async play(ann) {
      await ann.says('hello');
      await ann.reacts('👍', 'heard hello');
      await ann.says('what do you see?');
      await ann.reacts('👎', 'heard hello');
      await ann.reacts(null, 'heard hello');
      await ann.says('what do you see?');
    },
    ends: [
      'Ann: hello',
      'Bot: heard hello',
      'Ann: what do you see?',
      'Bot: ```json ⏎ {"reactions":[{"by":"Ann","given":["👍"],"to":"heard hello"}]} ⏎ ```',
      'Ann: what do you see?',
      'Bot: ```json ⏎ {} ⏎ ```',
    ],
  },
  {
    title: 'What the agent leaves running is named when it is ended',
    play: async (ann) => void (await ann.says('leave something running')),
    ends: [
      'Ann: leave something running',
      'Bot: The server is up. ⏎  ⏎ _Still running when this turn ended, so it was ended:_ ` npm run dev ` ⏎  ⏎ ``` ⏎ listening on 3000 ⏎ ```',
    ],
  },
];
