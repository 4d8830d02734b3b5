// The small part of XML that S3 uses: written by nested calls, read by tag name.

export function escapeXml(value: string): string {
  return value
    .replace(/[&<>"]/g, (char) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[char] ?? char)
    .replace(/[\u0000-\u001f]/g, (char) => `&#x${char.charCodeAt(0).toString(16)};`);
}

/** An element holding text, or elements already written. */
export function element(name: string, content: string | number | boolean | readonly string[]): string {
  const inside = Array.isArray(content) ? content.join('') : escapeXml(String(content));
  return `<${name}>${inside}</${name}>`;
}

export function document(name: string, content: readonly string[]): string {
  return `<?xml version="1.0" encoding="UTF-8"?><${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content.join('')}</${name}>`;
}

/** The inner text of every `<name>` in a document. */
export function contentsOf(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, 'g'))].map(
    (m) => m[1] ?? '',
  );
}

export function unescapeXml(value: string): string {
  const named: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return value.replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (whole, name: string) => {
    if (name.startsWith('#x')) return String.fromCodePoint(Number.parseInt(name.slice(2), 16));
    if (name.startsWith('#')) return String.fromCodePoint(Number(name.slice(1)));
    return named[name] ?? whole;
  });
}

export function textOf(xml: string, name: string): string | undefined {
  const found = contentsOf(xml, name)[0];
  return found === undefined ? undefined : unescapeXml(found);
}
