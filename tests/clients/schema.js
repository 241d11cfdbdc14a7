// schemathesis over /openapi.json: no error of the server, no status and no body that the document does not tell of.
'use strict';

const { spawn } = require('node:child_process');
const path = require('node:path');
const { SCRATCH, Server, VENDOR, assert, loops, main, must, test, until } = require('./bed');

const SEED = process.env.SEED ?? '20260128';
const EXAMPLES = '60';
const CHECKS = ['not_a_server_error', 'status_code_conformance', 'content_type_conformance', 'response_headers_conformance',
  'response_schema_conformance', 'unsupported_method'];
// A machine that does other things besides is slow: nothing here is about time.
const MOST_SECONDS = 240;

function schemathesis(server) {
  const words = ['run', `${server.url}/openapi.json`, '--no-color', '--seed', SEED, '--max-examples', EXAMPLES];
  words.push('--checks', CHECKS.join(','), '--phases', 'examples,coverage,fuzzing', '--continue-on-failure', '--request-timeout', '30');
  words.push('-H', `Authorization: Bearer ${server.token}`, '-H', `Accept: ${VENDOR}`, '--generation-database', 'none');
  words.push('--warnings', 'off', '--suppress-health-check', 'all');
  const env = { ...process.env, SCHEMATHESIS_HOOKS: path.join(__dirname, 'program', 'hooks.py') };
  return new Promise((resolve, reject) => {
    const child = spawn(process.env.SCHEMATHESIS, words, { cwd: SCRATCH, env, stdio: ['ignore', 'inherit', 'inherit'] });
    process.on('exit', () => child.kill());
    child.on('error', reject);
    child.on('close', (status) => resolve(status));
  });
}

main(async () => {
  // The log of every request is long, and says nothing more.
  const server = await Server.start({ flags: ['--rate-limit', '0', '--log-level', 'warn'] });
  await server.create({ size: 320, name: 'subject', sparse: true });
  await test(`schemathesis, seed ${SEED}`, async () => {
    assert.equal(await schemathesis(server), 0, 'how it ended: what it found is above');
  }, MOST_SECONDS * 1000);
  await test('afterwards: alive, and all that was made can be deleted', async () => {
    const volumes = await server.get('/volumes');
    console.log(`    ${volumes.length} volumes were made, server ${(server.memory() / (1 << 20)).toFixed(0)} MB`);
    for (const { id } of volumes) must(await server.ask('DELETE', `/volumes/${id}`));
    await until('no loop device', async () => (await loops(server)).length === 0);
    assert.ok(!/panicked/.test(server.logged()), 'a panic is in the log');
  });
});
