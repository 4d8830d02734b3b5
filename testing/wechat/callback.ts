// How WeChat calls an account: the address signed, the message plain or encrypted, five seconds for an answer, three tries.
// Written from its documentation, with Node's own cipher, so that it checks ours.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { parseXml, XmlElement } from '@rgrove/parse-xml';

export interface CallbackOptions {
  readonly appId: string;
  readonly token: string;
  readonly aesKey: string | null;
  readonly url: () => string;
  readonly clock: { now(): number };
  /** How long an answer is waited for. */
  readonly answerMs: number;
}

export interface Callback {
  xmlOf(fields: Readonly<Record<string, string>>): string;
  signed(xml: string): { readonly query: URLSearchParams; readonly body: string };
  bring(xml: string): Promise<{
    readonly status: number | null;
    readonly tries: number;
    readonly reply: { readonly openId: string; readonly text: string } | null;
  }>;
}

const TRIES = 3;
const NUMBERS = new Set(['CreateTime', 'MsgId']);

export function createCallback(options: CallbackOptions): Callback {
  const { appId, token, aesKey, url, clock } = options;
  const key = aesKey === null ? null : Buffer.from(`${aesKey}=`, 'base64');

  async function once(xml: string): Promise<Response> {
    const { query, body } = signed(xml);
    return await fetch(`${url()}?${query}`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'text/xml' },
      signal: AbortSignal.timeout(options.answerMs),
    });
  }

  function signed(xml: string): { query: URLSearchParams; body: string } {
    const timestamp = String(Math.floor(clock.now() / 1_000));
    const nonce = String(randomBytes(4).readUInt32BE());
    const query = new URLSearchParams({ timestamp, nonce, signature: sha1(token, timestamp, nonce) });
    if (key === null) return { query, body: xml };
    const encrypted = encrypt(key, appId, xml);
    query.set('encrypt_type', 'aes');
    query.set('msg_signature', sha1(token, timestamp, nonce, encrypted));
    const to = /<ToUserName><!\[CDATA\[(\w+)/.exec(xml)?.[1] ?? '';
    return {
      query,
      body: `<xml><ToUserName><![CDATA[${to}]]></ToUserName><Encrypt><![CDATA[${encrypted}]]></Encrypt></xml>`,
    };
  }

  /** Throws for an answer that WeChat would not understand: the person sees that the account is out of service. */
  function replyIn(text: string): { openId: string; text: string } | null {
    if (text === '' || text === 'success') return null;
    let xml = fieldsIn(text);
    if (key !== null) {
      const { Encrypt = '', MsgSignature, TimeStamp = '', Nonce = '' } = xml;
      if (MsgSignature !== sha1(token, TimeStamp, Nonce, Encrypt)) throw new Error('A wrong signature.');
      xml = fieldsIn(decrypt(key, appId, Encrypt));
    }
    if (xml.MsgType !== 'text' || !xml.Content) throw new Error('Not a text.');
    return { openId: xml.ToUserName ?? '', text: xml.Content };
  }

  return {
    signed,
    xmlOf(fields) {
      const inner = Object.entries(fields).map(([name, value]) =>
        NUMBERS.has(name) ? `<${name}>${value}</${name}>` : `<${name}><![CDATA[${value}]]></${name}>`,
      );
      return `<xml>${inner.join('')}</xml>`;
    },
    async bring(xml) {
      let status: number | null = null;
      for (let tries = 1; ; tries++) {
        try {
          const response = await once(xml);
          status = response.status;
          if (status === 200) return { status, tries, reply: replyIn(await response.text()) };
        } catch {
          status = null;
        }
        if (tries === TRIES) return { status, tries, reply: null };
      }
    },
  };
}

/** Throws for what is no XML. */
function fieldsIn(text: string): Readonly<Record<string, string>> {
  const fields = parseXml(text).root?.children.filter((child) => child instanceof XmlElement) ?? [];
  return Object.fromEntries(fields.map((field) => [field.name, field.text]));
}

function sha1(...parts: string[]): string {
  return createHash('sha1').update(parts.sort().join('')).digest('hex');
}

export function encrypt(key: Buffer, receiver: string, message: string): string {
  const text = Buffer.from(message);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return encryptBytes(key, Buffer.concat([randomBytes(16), length, text, Buffer.from(receiver)])).toString(
    'base64',
  );
}

/** AES-256-CBC, padded to whole blocks of 32 bytes. */
export function encryptBytes(key: Buffer, whole: Uint8Array): Buffer {
  const pad = 32 - (whole.length % 32);
  const cipher = createCipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
  return Buffer.concat([cipher.update(Buffer.concat([whole, Buffer.alloc(pad, pad)])), cipher.final()]);
}

export function decrypt(key: Buffer, receiver: string, encrypted: string): string {
  const decipher = createDecipheriv('aes-256-cbc', key, key.subarray(0, 16)).setAutoPadding(false);
  const padded = Buffer.concat([decipher.update(encrypted, 'base64'), decipher.final()]);
  const whole = padded.subarray(0, padded.length - (padded.at(-1) ?? 0));
  const length = whole.readUInt32BE(16);
  if (whole.subarray(20 + length).toString() !== receiver) throw new Error('For another receiver.');
  return whole.subarray(20, 20 + length).toString();
}
