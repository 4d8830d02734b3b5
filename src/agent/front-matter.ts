// What stands between two `---` lines at the beginning of a Markdown file: plain `key: value` lines, quoted values and folded (`>`,
// `|`) values; no other YAML.

/** null where there is none. */
export function frontMatterOf(
  text: string,
): { readonly fields: Readonly<Record<string, string>>; readonly body: string } | null {
  const found = /^---[ \t]*\r?\n([\s\S]*?)\r?\n---[ \t]*(?:\r?\n|$)([\s\S]*)$/.exec(text);
  return found && { fields: fieldsOf(found[1] ?? ''), body: found[2] ?? '' };
}

function fieldsOf(front: string): Record<string, string> {
  const fields: Record<string, string> = {};
  let folded: string | null = null;
  for (const line of front.split(/\r?\n/)) {
    const match = /^([A-Za-z][\w-]*):[ \t]*(.*)$/.exec(line);
    if (match) {
      const [, key = '', value = ''] = match;
      folded = /^[>|][+-]?$/.test(value.trim()) ? key : null;
      fields[key] = folded === null ? unquote(value.trim()) : '';
    } else if (folded !== null) {
      fields[folded] = `${fields[folded]} ${line.trim()}`.trim();
    }
  }
  return fields;
}

function unquote(value: string): string {
  const quoted = /^(["'])([\s\S]*)\1$/.exec(value);
  return quoted ? (quoted[2] ?? '') : value;
}
