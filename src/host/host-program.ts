// The program of a host process: descriptor 3 carries the frames both ways, descriptor 4 the bytes of packs.
import { Socket } from 'node:net';
import { openCliRunner } from './open-cli-runner.ts';
import { openForwards, SOCKETS_VARIABLE } from './sandbox/index.ts';
import { serveHost } from './serve-host.ts';

const frames = new Socket({ fd: 3 });
const bytes = new Socket({ fd: 4, readable: false });
// A worker that is gone ends the input; what is still said to it is lost.
frames.on('error', () => {});
bytes.on('error', () => {});
const ways = await openForwards(process.env[SOCKETS_VARIABLE]);
await serveHost({ input: frames, output: frames, bytes }, { ways, openRunner: openCliRunner }).catch(
  (error: unknown) => {
    // A worker that was killed: nobody is there who could be told.
    if ((error as NodeJS.ErrnoException).code !== 'ECONNRESET') throw error;
  },
);
process.exit(0);
