// Ceph's S3 gateway: a production S3 server, as a judge of conditions and signatures. One monitor, one store in
// memory, one gateway, all on loopback ports found free. Needs the Debian packages radosgw, ceph-mon, ceph-osd and
// ceph-common, and root; says so where they are not there. Takes about ten seconds to start.
import { execFile, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { freePort, type StandIn, type Started, startProcess, type Unavailable, waitFor } from './process.ts';
import type { Credentials } from './s3/signature.ts';

const PROGRAMS = ['ceph', 'ceph-authtool', 'ceph-mon', 'ceph-osd', 'monmaptool', 'radosgw', 'radosgw-admin'];
const run = promisify(execFile);

export interface CephRgw extends StandIn {
  readonly credentials: Credentials;
}

export async function startCephRgw(): Promise<CephRgw | Unavailable> {
  const absent = PROGRAMS.filter((name) => spawnSync('which', [name]).status !== 0);
  if (absent.length > 0) {
    const packages = 'Debian: radosgw ceph-mon ceph-osd ceph-common';
    return { unavailable: `Ceph is not installed here (${absent.join(', ')}; ${packages}).` };
  }
  if (process.getuid?.() !== 0) return { unavailable: 'Ceph wants to be started by root.' };
  const home = await mkdtemp(join(tmpdir(), 'hs-ceph-'));
  const started: Started[] = [];
  const close = async () => {
    for (const server of [...started].reverse()) await server.stop();
    await rm(home, { recursive: true, force: true });
  };
  try {
    return { ...(await startAll(home, started)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startAll(home: string, started: Started[]) {
  const [monitorPort, gatewayPort] = [await freePort(), await freePort()];
  const config = join(home, 'ceph.conf');
  const keyring = join(home, 'keyring');
  const fsid = randomUUID();
  const endpoint = `http://127.0.0.1:${gatewayPort}`;
  await writeFile(config, configText({ home, keyring, fsid, monitorPort, gatewayPort }));
  for (const folder of ['mon', 'osd', 'run']) await mkdir(join(home, folder));
  const ceph = (...args: string[]) => run('ceph', ['-c', config, '--connect-timeout', '20', ...args]);

  const monmap = join(home, 'monmap');
  await run('monmaptool', [
    '--create',
    '--fsid',
    fsid,
    '--addv',
    'a',
    `[v2:127.0.0.1:${monitorPort}]`,
    monmap,
  ]);
  const all = { mon: 'allow *', osd: 'allow *', mgr: 'allow *' };
  await makeKey(keyring, 'mon.', { mon: 'allow *' }, true);
  await makeKey(keyring, 'client.admin', all);
  await makeKey(keyring, 'client.rgw', { mon: 'allow rw', osd: 'allow rwx', mgr: 'allow rw' });
  await makeKey(keyring, 'osd.0', { mon: 'allow profile osd', osd: 'allow *', mgr: 'allow profile osd' });

  await run('ceph-mon', ['--mkfs', '-i', 'a', '--monmap', monmap, '-c', config, '--keyring', keyring]);
  started.push(startProcess('ceph-mon', ['-f', '-i', 'a', '-c', config]));
  const disk = randomUUID();
  await ceph('osd', 'new', disk);
  await ceph('auth', 'import', '-i', keyring);
  await run('ceph-osd', ['-i', '0', '-c', config, '--mkfs', '--osd-uuid', disk]);
  started.push(startProcess('ceph-osd', ['-f', '-i', '0', '-c', config]));
  await ceph('osd', 'crush', 'add', 'osd.0', '1.0', 'root=default', 'host=h');
  await waitFor(async () => (await ceph('osd', 'stat')).stdout.includes('1 up'), started[1] ?? null);

  const credentials = { accessKeyId: 'test', secretAccessKey: `secret-${randomUUID()}` };
  const user = ['user', 'create', '--uid=test', '--display-name=test'];
  const keys = [`--access-key=${credentials.accessKeyId}`, `--secret=${credentials.secretAccessKey}`];
  await run('radosgw-admin', ['-c', config, ...user, ...keys]);
  const gateway = startProcess('radosgw', ['-f', '-c', config, '-n', 'client.rgw']);
  started.push(gateway);
  await waitFor(async () => (await fetch(endpoint)).ok, gateway);
  return { endpoint, credentials };
}

async function makeKey(
  keyring: string,
  name: string,
  caps: Readonly<Record<string, string>>,
  create = false,
): Promise<void> {
  const rights = Object.entries(caps).flatMap(([part, right]) => ['--cap', part, right]);
  await run('ceph-authtool', [
    ...(create ? ['--create-keyring'] : []),
    keyring,
    '--gen-key',
    '-n',
    name,
    ...rights,
  ]);
}

interface Places {
  readonly home: string;
  readonly keyring: string;
  readonly fsid: string;
  readonly monitorPort: number;
  readonly gatewayPort: number;
}

function configText({ home, keyring, fsid, monitorPort, gatewayPort }: Places): string {
  return `[global]
fsid = ${fsid}
mon_initial_members = a
mon_host = v2:127.0.0.1:${monitorPort}
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
auth_allow_insecure_global_id_reclaim = true
keyring = ${keyring}
run_dir = ${home}/run
admin_socket = ${home}/run/$name.asok
log_file = ${home}/run/$name.log
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 8
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
mon_max_pg_per_osd = 1000
[mon.a]
mon_data = ${home}/mon
[osd.0]
osd_data = ${home}/osd
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_memory_target = 939524096
[client.rgw]
rgw_frontends = beast endpoint=127.0.0.1:${gatewayPort}
rgw_data = ${home}
rgw_dns_name = localhost
`;
}
