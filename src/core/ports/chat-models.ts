// Which models the people of a chat may choose for it.
import type { Tenant } from '../ids.ts';

export interface ChatModels {
  /** Where the chat has chosen none; null where only the agent's side knows its name. */
  readonly own: string | null;
  readonly choices: readonly string[];
}

export type ChatModelsOf = (tenant: Tenant) => Promise<ChatModels>;
