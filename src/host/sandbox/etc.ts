// The /etc of the inside: what programs need to run and to speak TLS, and no names of this machine's people, hosts and
// services.

/** Shown as they are, where they exist. */
const SHOWN = [
  'alternatives',
  'bash.bashrc',
  'ca-certificates',
  'ca-certificates.conf',
  'crypto-policies',
  'gai.conf',
  'host.conf',
  'inputrc',
  'ld.so.cache',
  'ld.so.conf',
  'ld.so.conf.d',
  'locale.alias',
  'locale.conf',
  'localtime',
  'magic',
  'mime.types',
  'nsswitch.conf',
  'pki',
  'profile',
  'profile.d',
  'protocols',
  'services',
  'shells',
  'ssl',
  'terminfo',
  'timezone',
].map((name) => `/etc/${name}`);

/** Besides those, when the inside shares this machine's network: how it finds other machines. */
const OF_THE_NETWORK = ['/etc/hosts', '/etc/resolv.conf'];

/** Private keys of this machine lie there; a member of their group could read them. */
export const HIDDEN = ['/etc/ssl/private', '/etc/pki/tls/private'];

export function shownOfEtc(sharesNetwork: boolean): readonly string[] {
  return sharesNetwork ? [...SHOWN, ...OF_THE_NETWORK] : SHOWN;
}

export interface InsideUser {
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

/** Files that we write, by path. */
export function writtenOfEtc(user: InsideUser, sharesNetwork: boolean): Readonly<Record<string, string>> {
  return {
    '/etc/passwd': [
      'root:x:0:0:root:/nonexistent:/usr/sbin/nologin',
      `agent:x:${user.uid}:${user.gid}:agent:${user.home}:/bin/bash`,
      'nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin',
      '',
    ].join('\n'),
    '/etc/group': `root:x:0:\nagent:x:${user.gid}:\nnogroup:x:65534:\n`,
    ...(sharesNetwork ? {} : { '/etc/hosts': '127.0.0.1 localhost agent\n::1 localhost\n' }),
  };
}
