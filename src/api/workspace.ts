// The working directory of a chat's session, as its newest generation holds it: folders listed, files read. Nothing is
// started for it, and a turn that runs is not disturbed; what it does shows when it is saved.
import type { Context } from 'hono';
import { Corrupt } from '../core/errors.ts';
import { sessionKeyOf } from '../core/ids.ts';
import type { WorkspaceReader } from '../core/ports.ts';
import type { SessionHead } from '../core/records.ts';
import { conversationOfChat } from './chat-name.ts';
import { type ApiDeps, OWN, type Route } from './deps.ts';
import { fileAnswer, typeByName } from './file-answers.ts';
import { refuse } from './problems.ts';
import { MAX_PAGE } from './requests.ts';

/** Larger ones are taken to a computer, with `hybrid-sessions pull`. */
const MAX_READ_BYTES = 100 * 1024 * 1024;
const DEFAULT_ENTRIES = MAX_PAGE;

export function workspaceRoutes(deps: ApiDeps): Route[] {
  const { owner = OWN } = deps;

  /** Packs may be merged meanwhile: then the head says where the files are now. */
  async function withHead<T>(
    context: Context,
    work: (reader: WorkspaceReader, head: SessionHead | null) => Promise<T>,
  ): Promise<T> {
    const reader = deps.workspace ?? refuse(409, 'no-workspace', 'Files of sessions cannot be read here.');
    const key = sessionKeyOf(conversationOfChat(context.req.param('chat'), owner));
    const headNow = async () => {
      const [mapping, turns] = await Promise.all([
        deps.store.getMapping(key),
        deps.store.listTurns(key, { limit: 1 }),
      ]);
      if (mapping === null && turns.items.length === 0) refuse(404, 'unknown-chat', 'There is no such chat.');
      return mapping && (await deps.store.getHead(owner.tenant, mapping.session_id));
    };
    try {
      return await work(reader, await headNow());
    } catch (error) {
      if (!(error instanceof Corrupt) || error.code !== 'missing-pack') throw error;
      return await work(reader, await headNow());
    }
  }

  return [
    {
      method: 'get',
      path: '/v1/chats/{chat}/workspace',
      async handle(context) {
        const { path, limit, cursor } = folderQuery(context);
        return withHead(context, async (reader, head) => {
          const entries = head ? await reader.list(head, path) : path === '' ? [] : null;
          if (entries === null) return refuse(404, 'unknown-folder', 'There is no such folder.');
          const from = cursor === null ? 0 : cursor;
          const page = entries.filter((_, at) => at >= from && at < from + limit);
          const next = from + page.length;
          return context.json({
            session_id: head?.sessionId ?? null,
            generation: head?.generation ?? null,
            path,
            entries: page.map(({ name, kind, bytes, modifiedAtMs }) => ({
              ...{ name, kind, bytes },
              modified_at: new Date(modifiedAtMs).toISOString(),
            })),
            cursor: next < entries.length ? String(next) : null,
          });
        });
      },
    },
    {
      method: 'get',
      path: '/v1/chats/{chat}/workspace/file',
      async handle(context) {
        const { path } = queryOf(context, ['path']);
        if (path === undefined) refuse(400, 'no-path', 'Name the file with ?path=.');
        const wanted = checkedPath(path);
        return withHead(context, async (reader, head) => {
          const file = head && (await reader.open(head, wanted));
          if (!file) return refuse(404, 'unknown-file', 'There is no such file.');
          if (file.bytes > MAX_READ_BYTES) {
            const most = `Files of up to ${MAX_READ_BYTES} bytes can be read here.`;
            refuse(413, 'file-too-large', `${most} \`hybrid-sessions pull\` takes the whole directory.`);
          }
          return fileAnswer({ ...file, type: typeByName(file.name) }, context.req.method === 'HEAD');
        });
      },
    },
  ];
}

function folderQuery(context: Context) {
  const query = queryOf(context, ['path', 'limit', 'cursor']);
  const limit = query.limit === undefined ? DEFAULT_ENTRIES : Number(query.limit);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE) {
    refuse(400, 'bad-limit', `limit must be a whole number from 1 to ${MAX_PAGE}.`);
  }
  if (query.cursor !== undefined && !/^\d{1,9}$/.test(query.cursor)) {
    refuse(400, 'bad-cursor', 'cursor must be one that the page before gave.');
  }
  const path = query.path === undefined || query.path === '' ? '' : checkedPath(query.path);
  return { path, limit, cursor: query.cursor === undefined ? null : Number(query.cursor) };
}

function queryOf<Name extends string>(context: Context, names: readonly Name[]) {
  const query = context.req.query();
  for (const name of Object.keys(query)) {
    if (!(names as readonly string[]).includes(name)) {
      refuse(400, 'unknown-parameter', `Unknown parameter: ${name}`);
    }
  }
  return query as Partial<Record<Name, string>>;
}

/** It is looked up in a table, so it could lead nowhere else; one that tries to is told so. */
function checkedPath(path: string): string {
  const isPlain = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
  if (isPlain && !path.includes('\0')) return path;
  return refuse(400, 'bad-path', 'path is relative to the working directory, such as src/main.py.');
}
