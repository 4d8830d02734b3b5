// Every lie of test/host/hostile-host.test.ts, told by a host that is a function: what it says comes as the response's stream, what
// it is told lies in its mailbox, and its packs are in the store before it speaks of them.
import { choosePlace } from '../host/liar-places.ts';

choosePlace('function');
await import('../host/hostile-host.test.ts');
