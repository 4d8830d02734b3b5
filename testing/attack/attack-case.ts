// What one attack is: what it tries, in words and as commands, and where nobody promised that it fails. How success shows is
// the same for all (run-attacks.ts): a canary is seen, BROKE is printed, the case's own file outside changed, its process lives
// on, its address was called, or its forbidden request reached the model.
import type { ToolResult } from '../../src/agent/model-messages.ts';
import type { TestSystem } from '../local-system.ts';
import type { FakeBot } from '../telegram/fake-bot.ts';

/** On one machine with or without a sandbox; on AWS with agents in a function of their own or in the worker's. */
export type Mode = 'sandboxed' | 'bare' | 'isolated' | 'shared';

export interface ToolCall {
  readonly name: string;
  readonly input: Readonly<Record<string, unknown>>;
}

export interface AttackWorld {
  readonly mode: Mode;
  /** What the scripts find in their environment. */
  variables(id: string): Readonly<Record<string, string>>;
  /** A file of the server's user, and a folder beside it (`.d`), with a canary in each. */
  prepare(id: string): Promise<void>;
  /** What changed of them; null when nothing did. */
  damage(id: string): Promise<string | null>;
  /** Says something in a chat; returns the reply. */
  say(chat: string, text: string): Promise<string>;
  /** Runs tools in a turn of this chat, all in one; what they answered. */
  turn(chat: string, calls: readonly ToolCall[]): Promise<readonly ToolResult[]>;
  /** Requests that a program with the attacker's address got. */
  calledAddresses(): readonly string[];
  /** Bodies that reached the model, of everybody but the victims. */
  modelSaw(): readonly string[];
  /** What was asked of the model by calls that were not a conversation's. */
  askedDirectly(): readonly string[];
  storedBytes(): Promise<number>;
  isCounted(): boolean;
  /** What must still be as it was: workers, the victim's conversation. */
  harm(): Promise<string | null>;
}

/** Of one machine: with what attacks from outside call and lay out. */
export interface MachineWorld extends AttackWorld {
  readonly system: TestSystem;
  readonly folder: string;
  readonly privateFolder: string;
  readonly bot: FakeBot;
}

interface CaseFields {
  readonly id: string;
  /** A sentence's end: "tries to ...". */
  readonly tries: string;
  /** Why nobody says that this fails without a sandbox. Absent: it must fail there, too. */
  readonly bareReason?: string;
  /** Would harm a machine that has no wall, so it is not even tried there. */
  readonly harmful?: boolean;
  /** Costs seconds, and others of its kind show much the same: left out of a sample. */
  readonly long?: boolean;
}

/** Runs in an agent's turn. Scripts find the names of the world (`variablesOf`) in their environment. */
export interface TurnCase extends CaseFields {
  readonly script?: string;
  readonly call?: (variables: Readonly<Record<string, string>>) => ToolCall;
  /** In the same session's next turn: what the first one left may work now. */
  readonly afterwards?: string;
  /** In a turn of somebody else afterwards. */
  readonly elsewhere?: string;
  /** In a session of its own, for it breaks things around it; a name: shared with those that leave each other in peace. */
  readonly alone?: boolean | string;
  /** The turn may end before the script does. */
  readonly mayDie?: boolean;
  /** Looks for what shows nowhere else; says what happened when it succeeded. */
  readonly after?: (world: AttackWorld) => Promise<string | null>;
}

/** A message as a person may send it; nothing is run by us. */
export interface TextCase extends CaseFields {
  readonly text: (variables: Readonly<Record<string, string>>) => string;
}

/** From outside: a web page, a process of the machine, a command of the operator over hostile files. */
export interface OutsideCase extends CaseFields {
  /** What got through; null when nothing did. */
  readonly run: (world: MachineWorld) => Promise<string | null>;
}

export type Attack<Case> = Case & { readonly kind: string };

export type Verdict = 'failed' | 'SUCCEEDED' | 'not promised' | 'NOT TRIED';

export interface AttackResult {
  readonly mode: Mode;
  readonly kind: string;
  readonly id: string;
  readonly tries: string;
  readonly verdict: Verdict;
  /** What was seen, or why nothing is promised. */
  readonly detail: string;
  /** For what is not promised: whether it got through. */
  readonly through?: boolean;
}
