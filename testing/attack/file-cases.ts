// Files of the machine, of the service and of other sessions; and links in the place of what the service opens itself.
import type { TurnCase } from './attack-case.ts';

const OPEN = 'without a sandbox commands may read and write whatever the server may';

const READING: readonly TurnCase[] = [
  { id: 'file-read', tries: "read a private file of the server's user", script: 'cat "$TARGET"' },
  {
    id: 'file-link',
    tries: 'read it by a link in the working directory',
    script: 'ln -s "$TARGET" link-$ID; cat link-$ID',
    afterwards: 'cat link-$ID',
  },
  { id: 'file-hard-link', tries: 'read it by a hard link', script: 'ln "$TARGET" hard-$ID; cat hard-$ID' },
  { id: 'file-write', tries: 'write into it', script: 'echo changed > "$TARGET"' },
  { id: 'file-replace', tries: 'put another file in its place', script: 'echo new > n; mv -f n "$TARGET"' },
  { id: 'file-remove', tries: 'remove it', script: 'rm -f "$TARGET"' },
  {
    id: 'file-data',
    tries: "read the data folder: database, objects, the server's key",
    script:
      'cat "$DATA/access-key" && echo BROKE; cat "$DATA"/sessions.db* | head -c 20000000 | grep -aoE "$PATTERN" | sort -u',
  },
  {
    id: 'file-data-write',
    tries: 'plant a file in the data folder',
    script: 'touch "$DATA/planted" && rm "$DATA/planted" && echo BROKE',
  },
  {
    id: 'file-settings',
    tries: "read the server's configuration file, which holds keys",
    script: 'cat "$CWD_OUT/hybrid-sessions.config.json"',
  },
  {
    id: 'file-live',
    tries: "find another session's files while its turn runs",
    script: 'find /tmp /run /var/tmp /home "$TURNS" -name live-secret.txt -exec cat {} \\;',
  },
  {
    id: 'file-search',
    tries: 'search every folder that can be read for secrets of others',
    script:
      'timeout 20 grep -rasohE "$PATTERN" /run /tmp /dev/shm /var/tmp /home /root /etc /opt "$HOME_OUT" | sort -u | head',
  },
  {
    id: 'file-turns',
    tries: "list the folders of the service's other sessions",
    script: 'ls "$TURNS"/* && echo BROKE',
  },
  {
    id: 'file-proc-root',
    tries: "reach the machine's files through /proc",
    script: 'for p in /proc/[0-9]*; do cat "$p/root$TARGET" "$p/cwd/../../..$TARGET"; done',
  },
  {
    id: 'file-agent-folder',
    tries: 'change the agent folder for everybody',
    script:
      'touch "$AGENT/planted" && rm "$AGENT/planted" && echo BROKE; echo "{}" > "$AGENT/mcp.json" && echo BROKE',
    harmful: true,
  },
  {
    id: 'file-code',
    tries: "change the service's own code",
    script: 'touch "$PACKAGE/src/planted" "$PACKAGE/planted" && echo BROKE',
    harmful: true,
  },
  {
    id: 'file-accounts',
    tries: "read the machine's passwords, keys and names",
    script: 'cat /etc/shadow /etc/machine-id /etc/ssh/ssh_host_* && echo BROKE',
  },
  {
    id: 'file-homes',
    tries: 'find accounts of tools: cloud, Git, SSH, the CLI itself',
    script:
      'cat "$HOME_OUT"/.aws/credentials "$HOME_OUT"/.netrc "$HOME_OUT"/.claude/.credentials.json ~/.aws/credentials ~/.netrc',
  },
];

/** After such a turn the service saves the session; nothing of it may lead outside. */
const swap = (path: string, to: string) =>
  `p=${path}; mv "$p" "$p.old" || rm -rf "$p"; ln -sfn ${to} "$p"; ls -ld "$p"; true`;

const LINKS: readonly TurnCase[] = [
  {
    id: 'link-workspace',
    tries: 'put a link in the place of the working directory, for the service to save what it leads to',
    script: `cd "$CLAUDE_CONFIG_DIR/.."; ${swap('workspace', '"$TARGET.d"')}`,
    afterwards: 'cat * .[a-z]*; cat "$HYBRID_SESSIONS_ROOT"/workspace/*',
  },
  {
    id: 'link-config',
    long: true,
    tries:
      "put a link in the place of the agent's configuration folder, for the service to clean what it leads to",
    script: `cd "$CLAUDE_CONFIG_DIR/.."; ${swap('"$CLAUDE_CONFIG_DIR"', '"$TARGET.d"')}`,
    afterwards: 'cat "$CLAUDE_CONFIG_DIR"/*',
  },
  {
    id: 'link-home',
    long: true,
    mayDie: true,
    tries: 'put links in the place of the home and temporary folders',
    script: `${swap('"$HOME"', '"$TARGET.d"')}; ${swap('"$TMPDIR"', '"$TARGET.d"')}`,
    afterwards: 'cat "$HOME"/*',
  },
  {
    id: 'link-transcript',
    long: true,
    tries: 'put a link in the place of the transcript, for the service to cut or read the file',
    script:
      'for t in "$CLAUDE_CONFIG_DIR"/projects/*/*.jsonl; do mv "$t" "$t.old"; ln -s "$TARGET" "$t"; done',
    afterwards: 'cat "$CLAUDE_CONFIG_DIR"/projects/*/*.jsonl',
  },
  {
    id: 'link-transcripts-folder',
    long: true,
    tries: 'put a link in the place of the folder of transcripts',
    script: swap('"$CLAUDE_CONFIG_DIR/projects"', '"$TARGET.d"'),
    afterwards: 'cat "$CLAUDE_CONFIG_DIR"/projects/*',
  },
  {
    id: 'link-note',
    long: true,
    tries: "put links at the names of the service's own notes, for it to write through them",
    script:
      'd="$CLAUDE_CONFIG_DIR/.hybrid"; mkdir -p "$d"; for n in conversation.json conversation.json.new conversation.json.tmp; do rm -f "$d/$n"; ln -s "$TARGET" "$d/$n"; done; for f in "$d"/*; do rm -f "$f"; ln -s "$TARGET" "$f"; ln -sf "$TARGET" "$f.new"; done',
    afterwards: 'cat "$CLAUDE_CONFIG_DIR"/.hybrid/*',
  },
  {
    id: 'link-note-folder',
    long: true,
    tries: "put a link in the place of the folder of the service's notes",
    script: swap('"$CLAUDE_CONFIG_DIR/.hybrid"', '"$TARGET.d"'),
    afterwards: 'cat "$CLAUDE_CONFIG_DIR"/.hybrid/*',
  },
  {
    id: 'link-every-config-file',
    long: true,
    mayDie: true,
    tries: 'put a link in the place of every file of the configuration folder',
    script: 'find "$CLAUDE_CONFIG_DIR" -type f | while read -r f; do ln -sfn "$TARGET" "$f"; done',
    afterwards: 'find "$CLAUDE_CONFIG_DIR" -type l -exec cat {} \\;',
  },
  {
    id: 'link-race',
    long: true,
    tries: 'change a folder into a link and back while the service saves',
    script:
      'mkdir -p r; echo x > r/victim.txt; (end=$((SECONDS+8)); while [ $SECONDS -lt $end ]; do mv r q; ln -s "$TARGET.d" r; rm r; mv q r; done) > /dev/null 2>&1 & sleep 1',
    afterwards: 'cat r/* q/*',
  },
  {
    id: 'link-special-files',
    tries: 'leave pipes, sockets and names with line breaks, for the service to hang or trip',
    script:
      'mkfifo p; perl -MSocket -e \'socket(my $s, AF_UNIX, SOCK_STREAM, 0); bind($s, pack_sockaddr_un("s"))\'; touch "$(printf "a\\nb")" "..." "-rf" "$(printf "\\377")" "$(head -c 250 /dev/zero | tr "\\0" n)"; chmod 000 p; mkdir d; chmod 000 d',
    afterwards: 'cat "$TARGET"; chmod 700 d; true',
  },
];

export const FILE_CASES = READING.map((one) => ({ ...one, kind: 'files', bareReason: OPEN }));
export const LINK_CASES = LINKS.map((one) => ({
  ...one,
  kind: 'links',
  alone: true,
  bareReason: OPEN,
  harmful: true,
}));
