// What a person may order in a chat, on every channel: one list, from which messages are read, help is written and menus
// of platforms are filled. What is not in it, or is written in another way, is text for the agent.
import type { TurnRequest } from './messages.ts';

/** Languages besides English in which commands are explained where a platform shows them by language. */
export const LANGUAGES = ['de'] as const;
type Language = (typeof LANGUAGES)[number];

export interface Command {
  readonly name: string;
  /** As people write it. */
  readonly usage: string;
  readonly help: string;
  /** The same in other languages, by their ISO 639-1 code. */
  readonly helpIn: Readonly<Record<Language, string>>;
  /** Offered in chats of several people, too. */
  readonly inGroups?: false;
  /** What it becomes in the conversation's queue. */
  readonly kind: TurnRequest['kind'];
  /** What may stand behind it; anything else makes it text for the agent. */
  readonly takes: RegExp;
}

const NOTHING = /^$/;
const ANYTHING = /^[\s\S]*$/;

export const COMMANDS = [
  {
    name: 'new',
    usage: '/new [text]',
    help: 'Start a fresh session; the text is its first message',
    helpIn: { de: 'Neue Sitzung beginnen; der Text ist ihre erste Nachricht' },
    kind: 'new',
    takes: ANYTHING,
  },
  {
    name: 'undo',
    usage: '/undo [number]',
    help: 'Undo the last turn, or so many, files included; `/undo new` goes back to the session before the last /new',
    helpIn: {
      de: 'Den letzten Schritt zurücknehmen, oder so viele, mit Dateien; `/undo new` führt in die Sitzung vor dem letzten /new',
    },
    kind: 'undo',
    takes: /^(?:\d{1,4}|new)?$/,
  },
  {
    name: 'redo',
    usage: '/redo',
    help: 'Bring back what the last /undo took away',
    helpIn: { de: 'Wiederholen, was das letzte /undo zurückgenommen hat' },
    kind: 'redo',
    takes: NOTHING,
  },
  {
    name: 'fork',
    usage: '/fork [name]',
    help: 'Go on from here in another conversation, too',
    helpIn: { de: 'Von hier aus auch in einer anderen Unterhaltung weitermachen' },
    kind: 'fork',
    takes: /^[^\n]{0,128}$/,
  },
  {
    name: 'newchat',
    usage: '/newchat text',
    help: 'Open another conversation; the text is its first message',
    helpIn: { de: 'Eine weitere Unterhaltung öffnen; der Text ist ihre erste Nachricht' },
    kind: 'command',
    takes: /\S/,
  },
  {
    name: 'handoff',
    usage: '/handoff',
    help: 'The line that takes this conversation to your own computer; `/handoff here` goes on here after that',
    helpIn: {
      de: 'Die Zeile, mit der du diese Unterhaltung auf deinen Rechner holst; mit `/handoff here` geht es danach hier weiter',
    },
    kind: 'command',
    takes: /^(?:here)?$/,
  },
  {
    name: 'stop',
    usage: '/stop [text]',
    help: 'Stop what runs and what waits; the text comes next',
    helpIn: { de: 'Anhalten, was läuft und wartet; der Text kommt als Nächstes' },
    kind: 'command',
    takes: ANYTHING,
  },
  {
    name: 'status',
    usage: '/status',
    help: 'Session, version, context used, what waits',
    helpIn: { de: 'Sitzung, Version, belegter Kontext, was wartet' },
    kind: 'command',
    takes: NOTHING,
  },
  {
    name: 'cost',
    usage: '/cost',
    help: 'What this chat has used today and this month',
    helpIn: { de: 'Was dieser Chat heute und in diesem Monat verbraucht hat' },
    kind: 'command',
    takes: NOTHING,
  },
  {
    name: 'permissions',
    usage: '/permissions',
    help: 'What is allowed for this chat; `/permissions withdraw` with a number, or `all`, takes it back',
    helpIn: {
      de: 'Was diesem Chat erlaubt ist; `/permissions withdraw` mit Nummer oder `all` nimmt es zurück',
    },
    kind: 'command',
    takes: /^(?:withdraw (?:\d{1,3}|all))?$/,
  },
  {
    name: 'schedules',
    usage: '/schedules',
    help: 'What I do by myself and when; `pause`, `resume`, `cancel` or `run` one',
    helpIn: {
      de: 'Was ich von selbst tue und wann; eines davon anhalten, fortsetzen, absagen oder jetzt tun',
    },
    kind: 'command',
    takes: /^(?:(?:pause|resume|cancel|run) [0-9a-f]{4,16})?$/,
  },
  {
    name: 'timezone',
    usage: '/timezone [name]',
    help: 'The time zone of this chat, such as Europe/Madrid; `default` for the usual one',
    helpIn: { de: 'Die Zeitzone dieses Chats, zum Beispiel Europe/Berlin; `default` für die übliche' },
    kind: 'command',
    takes: /^[A-Za-z0-9_+/-]{0,60}$/,
  },
  {
    name: 'mode',
    usage: '/mode [queue|steer|interrupt]',
    help: 'What a message does to a turn that runs: it waits, is told to it, or ends it; `default` for the usual',
    helpIn: {
      de: 'Was eine Nachricht mit einem laufenden Schritt macht: warten, ihm gesagt werden, ihn beenden; `default` für das Übliche',
    },
    kind: 'command',
    takes: /^(?:queue|steer|interrupt|default)?$/,
  },
  {
    name: 'model',
    usage: '/model [name]',
    help: 'The model of this chat; `default` for the usual one',
    helpIn: { de: 'Das Modell dieses Chats; `default` für das übliche' },
    kind: 'command',
    takes: /^[\w.:@/-]{0,100}$/,
  },
  {
    name: 'forget',
    usage: '/forget',
    help: 'Erase this chat for good; asks first',
    helpIn: { de: 'Diesen Chat endgültig löschen; fragt vorher' },
    inGroups: false,
    kind: 'command',
    takes: /^(?:yes)?$/,
  },
  {
    name: 'help',
    usage: '/help',
    help: 'This list',
    helpIn: { de: 'Diese Liste' },
    kind: 'command',
    takes: NOTHING,
  },
  {
    name: 'btw',
    usage: '/btw text',
    help: 'Tell this to the turn that runs, at its next step',
    helpIn: { de: 'Dem laufenden Schritt etwas dazu sagen' },
    kind: 'steer',
    takes: /\S/,
  },
] as const satisfies readonly Command[];

const SHAPE = /^\/([a-z]{1,32})(?:@\w{3,64})?(?:\s+([\s\S]*))?$/i;

export interface ReadCommand {
  readonly command: Command;
  readonly rest: string;
}

/** null for text that the agent gets. In a group a command may name the bot. */
export function readCommand(text: string): ReadCommand | null {
  const [, name = '', behind = ''] = SHAPE.exec(text.trim()) ?? [];
  const command = COMMANDS.find((one) => one.name === name.toLowerCase());
  const rest = behind.trim();
  return command?.takes.test(rest) ? { command, rest } : null;
}
