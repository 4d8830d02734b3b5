// The XML that WeChat calls with and is answered in. Values stay strings: a message's id is a number too long for one.
import { XMLBuilder, XMLParser } from 'fast-xml-parser';

const parser = new XMLParser({ parseTagValue: false, trimValues: false, processEntities: false });
const builder = new XMLBuilder({ cdataPropName: 'cdata', suppressEmptyNode: false });

/** What is below `<xml>`; null when the text is no such document. Never throws. */
export function parseXml(text: string): Readonly<Record<string, unknown>> | null {
  // WeChat sends no declarations, and what they could do is of no use here.
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) return null;
  try {
    const { xml } = parser.parse(text, true) as { readonly xml?: unknown };
    return typeof xml === 'object' && xml !== null ? (xml as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/** Numbers stand as they are, texts in CDATA. */
export function buildXml(values: Readonly<Record<string, string | number>>): string {
  const nodes = Object.entries(values).map(([name, value]) => [
    name,
    typeof value === 'number' ? value : { cdata: value.split(/(?<=\]\])(?=>)/) },
  ]);
  return builder.build({ xml: Object.fromEntries(nodes) });
}
