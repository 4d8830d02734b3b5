// The XML that WeChat calls with and is answered in: one level of texts below `<xml>`. The parser takes no declarations of
// entities, and values stay strings: a message's id is a number too long for one.
import { parseXml as parse, XmlElement } from '@rgrove/parse-xml';

/** What is below `<xml>`; null when the text is no such document. Never throws. */
export function parseXml(text: string): Readonly<Record<string, string>> | null {
  try {
    const { root } = parse(text);
    if (root?.name !== 'xml') return null;
    const fields = root.children.filter((child) => child instanceof XmlElement);
    return Object.fromEntries(fields.map((field) => [field.name, field.text]));
  } catch {
    return null;
  }
}

/** Numbers stand as they are, texts in CDATA; what would end one is cut in two. */
export function buildXml(values: Readonly<Record<string, string | number>>): string {
  const fields = Object.entries(values).map(([name, value]) => {
    const text =
      typeof value === 'number' ? value : `<![CDATA[${value.replaceAll(']]>', ']]]]><![CDATA[>')}]]>`;
    return `<${name}>${text}</${name}>`;
  });
  return `<xml>${fields.join('')}</xml>`;
}
