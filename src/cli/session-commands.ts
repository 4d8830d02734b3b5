// Subcommands about conversations: take away and bring back, look at, copy, check, undo, erase; their schedules, links and
// times.
import type { Command } from 'commander';
import type { CliContext } from './context.ts';
import { whole, withTenant } from './options.ts';

export function addSessionCommands(program: Command, context: CliContext): void {
  withTenant(program.command('pull'))
    .description('take a conversation to this computer: files, transcript for `claude --resume`, tasks')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .option('--to <dir>', 'a new folder for its working directory (default: named like the chat)')
    .option('--chat-goes-on', 'the chat is not told to wait: it goes on, and so does the copy')
    .option('--again', 'although another copy is away; that one can then only come back as a fork')
    .option('--trust', 'lay .mcp.json and .claude/settings.json of the session, which your CLI obeys')
    .option('--json', 'print JSON')
    .action(async (chat, options) => (await import('./pull.ts')).pull(context, chat, options));

  withTenant(program.command('push'))
    .description('bring back what `pull` took: the next generation of its session')
    .argument('<dir>', 'the folder that `pull` made')
    .option('--fork <name>', 'begin a new chat with it instead')
    .option('--json', 'print JSON')
    .action(async (dir, options) => (await import('./push.ts')).push(context, dir, options));

  const sessions = program.command('sessions').description('look at, copy, check and erase stored sessions');

  withTenant(sessions.command('list'))
    .description('conversations, most recently used first')
    .option('--limit <number>', 'at most this many', whole, 50)
    .option('--json', 'print JSON')
    .action(async (options) => (await import('./sessions.ts')).list(context, options));

  withTenant(sessions.command('show'))
    .description('one conversation and its latest turns')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .option('--json', 'print JSON')
    .action(async (chat, options) => (await import('./sessions.ts')).show(context, chat, options));

  withTenant(sessions.command('export'))
    .description('write conversation.jsonl, debug.txt, todos.json and workspace/ to a new folder')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .argument('[dir]', 'the folder (default: export-<session id>)')
    .option(
      '--everything',
      'all that is held about the chat: every session, turns, events, usage, dead letters',
    )
    .option('--json', 'print JSON')
    .action(async (chat, dir, options) =>
      (await import('./export.ts')).exportSession(context, chat, dir, options),
    );

  withTenant(sessions.command('import'))
    .description('take an exported session in, as a chat of its own')
    .argument('<dir>', 'a folder written by export')
    .option('--chat <name>', 'name of the chat (default: the exported one)')
    .option('--json', 'print JSON')
    .action(async (dir, options) => (await import('./import.ts')).importSession(context, dir, options));

  withTenant(sessions.command('verify'))
    .description('read every stored byte of the sessions back and check it')
    .argument('[chat]', 'only this one')
    .option('--all', 'every session, as without a name')
    .option('--json', 'print JSON')
    .action(async (chat, options) => {
      process.exitCode = await (await import('./verify.ts')).verify(context, chat, options);
    });

  withTenant(sessions.command('repair'))
    .description('go back to the newest generation that can be read; explains before it changes anything')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .option('--generation <number>', 'go back to this one', whole)
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(async (chat, options) => (await import('./repair.ts')).repair(context, chat, options));

  withTenant(sessions.command('undo'))
    .description('undo the last turns of a conversation, files included')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .argument('[turns]', 'how many', whole, 1)
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(async (chat, turns, options) =>
      (await import('./timeline.ts')).undo(context, chat, turns, options),
    );

  withTenant(sessions.command('redo'))
    .description('bring back what the last undo took away')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(async (chat, options) => (await import('./timeline.ts')).redo(context, chat, options));

  withTenant(sessions.command('fork'))
    .description('begin another chat with a session as it stands; nothing is copied')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .argument('<new chat>', 'name of the new chat, of this tenant')
    .option('--json', 'print JSON')
    .action(async (chat, to, options) => (await import('./timeline.ts')).fork(context, chat, to, options));

  withTenant(sessions.command('erase'))
    .description('erase a conversation: its turns and every stored file of its sessions')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .option('--yes', 'do not ask')
    .option('--json', 'print JSON')
    .action(async (chat, options) => (await import('./sessions.ts')).erase(context, chat, options));
}

export function addChatCommands(program: Command, context: CliContext): void {
  const schedules = program
    .command('schedules')
    .description('what the agent of a chat does by itself, and when');

  withTenant(schedules.command('list'))
    .description('the schedules of a chat')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .option('--json', 'print JSON')
    .action(async (chat, options) => (await import('./schedules.ts')).list(context, chat, options));

  for (const [action, description] of [
    ['pause', 'hold one back'],
    ['resume', 'let one go on'],
    ['cancel', 'end one for good'],
    ['run', 'wake the agent by one now, besides its times'],
  ] as const) {
    withTenant(schedules.command(action))
      .description(description)
      .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
      .argument('<schedule>', 'its id or the beginning of it')
      .option('--json', 'print JSON')
      .action(async (chat, id, options) =>
        (await import('./schedules.ts')).change(context, action, chat, id, options),
      );
  }

  const links = program.command('links').description('which chats share the conversation of another one');

  for (const [action, description] of [
    ['list', 'the chats that a chat shares a conversation with'],
    ['code', 'a code that links another chat to this one, for a chat of the HTTP API'],
    ['end', 'each chat has its own conversation again'],
  ] as const) {
    withTenant(links.command(action))
      .description(description)
      .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
      .option('--json', 'print JSON')
      .action(async (chat, options) => (await import('./links.ts'))[action](context, chat, options));
  }

  const turns = program.command('turns').description("where the time of a chat's turns went");

  withTenant(turns.command('list'))
    .description('its latest turns with how long they took')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .option('--limit <number>', 'at most this many, up to 200', whole, 20)
    .option('--json', 'print JSON')
    .action(async (chat, options) => (await import('./turns.ts')).list(context, chat, options));

  withTenant(turns.command('show'))
    .description('one of them as a waterfall')
    .argument('<chat>', 'chat name, channel/chat, session id or the beginning of one')
    .argument('[turn]', 'its id or the beginning of it (default: the newest that has ended)')
    .option('--json', 'print JSON')
    .action(async (chat, turn, options) => (await import('./turns.ts')).show(context, chat, turn, options));
}
