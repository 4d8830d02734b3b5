// Signing in as one turn sees it: the speaker's token for a server, or, where there is none, what stands in the server's place
// and the link that the reply is to end with. Tokens are looked up under the speaker's name only.
import type { Log } from '../../core/log.ts';
import type { Clock } from '../../core/ports/clock.ts';
import type { Vault } from '../../core/ports/vault.ts';
import type { Answer, Call } from '../../gateway/call.ts';
import { problem } from '../problem.ts';
import type { RemoteServer } from '../remote-server.ts';
import type { ToolServersOfTurn } from '../turn-tool-servers.ts';
import { accessToken } from './access-token.ts';
import { answerAsConnectTool } from './connect-tool.ts';
import type { Fetch } from './outgoing-fetch.ts';
import { type SignInLinks, type SignInNote, signInNote } from './sign-in-link.ts';

export interface SignIns {
  /** null: the person has to sign in. `stale`: one that the server refused. */
  token(server: RemoteServer, stale?: string): Promise<string | null>;
  /** In the place of the server. */
  answerWithout(server: RemoteServer, call: Call): Promise<Answer>;
  notes(): Promise<readonly SignInNote[]>;
}

export function createSignIns(parts: {
  readonly turn: ToolServersOfTurn;
  readonly vault: Vault;
  readonly links: SignInLinks | null;
  readonly clock: Clock;
  readonly fetch: Fetch;
  readonly log: Log;
}): SignIns {
  const { turn, links, log } = parts;
  const wanted = new Set<string>();
  const looked = new Set<string>();
  const of = ({ name }: { readonly name: string }) => ({
    tenant: turn.tenant,
    person: turn.speaker,
    server: name,
  });

  return {
    token: (server, stale) => accessToken(parts, of(server), server.url, stale ?? null),

    async answerWithout(server, call) {
      if (!links) {
        log('warn', 'no-public-url', { turn: turn.turnId, server: server.name });
        return problem(403, 'People cannot sign in here: the operator has set no public address.');
      }
      if (!looked.has(server.name)) {
        looked.add(server.name);
        if (await links.isFirst(of(server))) wanted.add(server.name);
      }
      if (server.type === 'http') {
        return await answerAsConnectTool(server.name, call, async () => void wanted.add(server.name));
      }
      // A stream cannot be stood in for as simply.
      wanted.add(server.name);
      return problem(403, 'The person has to sign in first; the reply ends with a link.');
    },

    notes: async () =>
      await Promise.all(
        [...wanted].map(async (name) =>
          signInNote(name, turn.speakerName, (await links?.linkFor(of({ name }), turn.speakerName)) ?? ''),
        ),
      ),
  };
}
