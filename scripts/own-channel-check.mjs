// Puts the example channel into a project as its user does, and asks it as Discord does: a ping that is signed is answered, one
// that is not is refused. So the module was found, and its import of this package, too. Used by check-package.mjs.
import { generateKeyPairSync, sign } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Returns the environment that switches it on, and the key that its calls are signed with. */
export function addOwnChannel({ root, project }) {
  cpSync(join(root, 'examples', 'channels', 'discord.ts'), join(project, 'discord.ts'));
  const file = join(project, 'hybrid-sessions.config.json');
  const settings = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(file, JSON.stringify({ ...settings, channelModules: ['./discord.ts'] }));
  const { publicKey, privateKey } = generateKeyPairSync('ed25519');
  const key = Buffer.from(publicKey.export({ format: 'jwk' }).x, 'base64url').toString('hex');
  return { env: { DISCORD_BOT_TOKEN: 'a-token-of-no-bot-at-all', DISCORD_PUBLIC_KEY: key }, privateKey };
}

export async function askOwnChannel(url, { privateKey }) {
  const body = JSON.stringify({ id: '1', application_id: '2', type: 1 });
  const at = String(Math.floor(Date.now() / 1_000));
  const signature = sign(null, Buffer.from(at + body), privateKey).toString('hex');
  const ask = (headers) => fetch(`${url}/discord`, { method: 'POST', body, headers });
  const answered = await ask({ 'x-signature-timestamp': at, 'x-signature-ed25519': signature });
  const refused = await ask({ 'x-signature-timestamp': at, 'x-signature-ed25519': '00' });
  const text = await answered.text();
  if (text !== '{"type":1}') throw new Error(`The channel of one's own answered ${answered.status} ${text}`);
  if (refused.status !== 401) throw new Error(`It answered ${refused.status} to a call without a signature.`);
}
