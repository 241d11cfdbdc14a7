// Clients that know nothing of this program but what is public about Lightd, each as a process of its own, against the loopback
// addresses by name and by number.
'use strict';

const path = require('node:path');
const { Server, assert, loops, main, must, run, test } = require('./bed');

main(async () => {
  const server = await Server.start();
  for (const program of ['documented', 'spelled']) {
    for (const [by, url] of Object.entries(server.urls)) {
      await test(`the ${program} client over ${by}`, async () => {
        const words = [path.join(__dirname, 'program', `${program}.js`), url, server.token];
        const { stdout } = await run('node', words, { timeout: 30_000 }).catch((error) => {
          throw new Error(`${error.killed ? 'no end after 30 s\n' : ''}${error.stdout}${error.stderr}`);
        });
        assert.match(stdout, /^System out of storage$/m);
      });
      // Four gigabytes each, and the disk below may be small.
      for (const { id } of await server.get('/volumes')) must(await server.ask('DELETE', `/volumes/${id}`));
    }
  }
  await test('nothing is left', async () => assert.deepEqual(await loops(server), []));
});
