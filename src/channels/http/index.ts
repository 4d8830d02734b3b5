// The HTTP channel: turns that were sent by the API or by a program. Inlet: `hybrid-sessions/api`.
import '../../node-version.ts';

export { createHttpChannel, type HttpChannelOptions } from './channel.ts';
