// A process that writes to a database until it is killed. Its parent is told when it has begun.
import { openDatabase } from '../../src/stores/sqlite/index.ts';

const [path] = process.argv.slice(2);
const db = openDatabase(path as string);
let writes = 0;
setInterval(() => {
  db.write(() =>
    db.run('INSERT INTO sent (dedupe_id, sent_at_ms) VALUES (?, 1)', `${process.pid}-${writes++}`),
  );
  if (writes === 1) process.send?.('begun');
}, 20);
