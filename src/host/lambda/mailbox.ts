// What a worker has said to its host, until the host has heard it: numbered from 1, without gaps, by one writer.
import type { Tenant } from '../../core/ids.ts';
import type { Message } from './invocation.ts';

export interface MailboxId {
  readonly tenant: Tenant;
  /** Unguessable: letters, digits, `-` and `_`. */
  readonly name: string;
}

export interface Mailbox {
  post(box: MailboxId, number: number, message: Message): Promise<void>;
  /** The messages after number `after`, in order; waits for one for at most `waitMs`. */
  read(
    box: MailboxId,
    after: number,
    waitMs: number,
  ): Promise<readonly { readonly number: number; readonly message: Message }[]>;
}
